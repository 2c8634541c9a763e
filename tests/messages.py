"""The texts of every message that the tools and the schema can give, read from their sources."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from conftest import CHECKOUT

GAP = "…"
TELLS = {"Failure", "complain", "Fatal", "Refused", "ArgumentTypeError", "Unfit"}
# Less than this is another's text that is passed on; and of what a function returns, a part of a message.
WORDS, RETURNED_WORDS = 1, 4
# In a shell script.
VARIABLE = r"\$\([^)]*\)|\$\{?\w+\}?|\$\*"

Found = dict[str, set[str]]


class Module:
    """A Python file, and what its texts are made of."""

    def __init__(self, path: Path) -> None:
        self.name, self.place = path.stem, str(path.relative_to(CHECKOUT))
        self.tree = ast.parse(path.read_text())
        self.functions = {node.name: node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)}
        self.constants = _texts(self.tree.body)

    def template(self, node: ast.expr, local: dict[str, ast.expr]) -> str:
        """A text with … for what varies; constants of the code, and texts that a local name stands for, are put in."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        if isinstance(node, ast.JoinedStr):
            return "".join(self.template(value, local) for value in node.values)
        if isinstance(node, ast.FormattedValue):
            return self.template(node.value, local)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and isinstance(node.left, ast.JoinedStr | ast.Constant):
            return self.template(node.left, local) + self.template(node.right, local)
        if isinstance(node, ast.Name):
            text = local.get(node.id) or self.constants.get(node.id)
            return self.template(text, {}) if text else GAP
        if isinstance(node, ast.Attribute) and (text := _module(name_of(node.value), self).constants.get(node.attr)):
            return self.template(text, {})
        return GAP

    def calls(self) -> Iterator[tuple[ast.Call, dict[str, ast.expr]]]:
        """Every call, with the texts of the function that it stands in."""
        inside: dict[int, dict[str, ast.expr]] = {}
        for function in self.functions.values():
            inside |= dict.fromkeys(map(id, ast.walk(function)), _texts(function.body))
        yield from ((node, inside.get(id(node), {})) for node in ast.walk(self.tree) if isinstance(node, ast.Call))

    def told(self, node: ast.expr, local: dict[str, ast.expr]) -> Iterator[str]:
        """The texts of an argument, and those that the functions called in it return."""
        yield from (tidy(self.template(text, local)) for text in alternatives(node))
        for call in outermost_calls(node):
            home = _module(name_of(call.func.value), self) if isinstance(call.func, ast.Attribute) else self
            function = home.functions.get(name_of(call.func))
            for result in ast.walk(function) if function else ():
                if isinstance(result, ast.Return) and isinstance(result.value, ast.JoinedStr):
                    text = tidy(home.template(result.value, _texts(function.body)))
                    yield text if words(text) >= RETURNED_WORDS else GAP


def _texts(body: list[ast.stmt]) -> dict[str, ast.expr]:
    """Names that stand for one text."""
    pairs: dict[str, list[ast.expr]] = {}
    for node in (inner for statement in body for inner in ast.walk(statement) if isinstance(inner, ast.Assign)):
        targets = node.targets[0].elts if isinstance(node.targets[0], ast.Tuple) else node.targets
        values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
        for target, value in zip(targets, values):
            pairs.setdefault(name_of(target), []).append(value)
    return {name: values[0] for name, values in pairs.items() if len(values) == 1 and _is_text(values[0])}


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _module(name: str, default: Module) -> Module:
    """The module of that name, as client for scripts/client.py; the default for self, and for what is none of ours."""
    return next((module for module in MODULES if module.name == name), default)


def name_of(node: ast.expr) -> str:
    return getattr(node, "id", None) or getattr(node, "attr", "")


MODULES = [Module(path) for folder in ("scripts", "verify") for path in sorted((CHECKOUT / folder).rglob("*.py"))]
TELLING = TELLS | {
    node.name for module in MODULES for node in ast.walk(module.tree)
    if isinstance(node, ast.ClassDef) and TELLS & {name_of(base) for base in node.bases}
}  # fmt: skip


def tidy(text: str) -> str:
    return re.sub(f"{GAP}+", GAP, " ".join(text.split()))


def words(text: str) -> int:
    return len(re.findall(r"[A-Za-z]{2,}", text))


def alternatives(node: ast.expr) -> Iterator[ast.expr]:
    """A text, or the texts of which one is chosen."""
    if isinstance(node, ast.IfExp):
        yield from alternatives(node.body)
        yield from alternatives(node.orelse)
    else:
        yield node


def outermost_calls(node: ast.AST) -> Iterator[ast.Call]:
    """The calls in an expression whose result stands in it, and is not another one's argument."""
    if isinstance(node, ast.Call):
        yield node
        return
    for child in ast.iter_child_nodes(node):
        yield from outermost_calls(child)


def of_python() -> Iterator[tuple[str, str]]:
    for module in MODULES:
        for node, local in module.calls():
            name = name_of(node.func)
            if not node.args:
                continue
            of_parser = name == "error" and name_of(getattr(node.func, "value", node)) == "parser"
            if of_parser or any(name_of(chosen) in TELLING for chosen in alternatives(node.func)):
                yield from ((module.place, text) for text in module.told(node.args[0], local))
            elif name in ("say", "print"):
                said = module.told(node.args[0], local)
                yield from ((module.place, text.removeprefix("error: ")) for text in said if re.match("Note: |Warning: |error: ", text))


def of_shell() -> Iterator[tuple[str, str]]:
    for path in sorted((CHECKOUT / "scripts").glob("*.sh")):
        for text in re.findall(rf'(?:\bfail "|echo "error: )((?:[^"$\\]|\\.|{VARIABLE})*)"', path.read_text()):
            yield path.name, tidy(re.sub(VARIABLE, GAP, text))


def of_sql() -> Iterator[tuple[str, str]]:
    for path in sorted((CHECKOUT / "init").glob("*.sql")):
        for text in re.findall(r"raise exception '((?:[^']|'')*)'", path.read_text()):
            yield path.name, tidy(text.replace("''", "'").replace("%", GAP))


def messages() -> Found:
    """Every message with the places that print it; what only passes another's text on is left out."""
    found: Found = {}
    for place, text in (*of_python(), *of_shell(), *of_sql()):
        if words(text) >= WORDS:
            found.setdefault(text, set()).add(place)
    return found
