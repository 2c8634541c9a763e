"""The file: its encoding, delimiter and header, and its lines in blocks, each with its number."""

import codecs
import csv
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO

import polars as pl

from scripts.console import Failure

BLOCK = 8 << 20
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
DELIMITERS = ";", "\t", ",", "|"
NAMES = {";": "semicolon", "\t": "tab", ",": "comma", "|": "bar"}


@dataclass(frozen=True)
class Source:
    """An opened CSV file; `first` is the number of its first line of readings."""

    name: str
    file: BinaryIO
    size: int
    encoding: str
    delimiter: str
    header: list[str]
    first: int

    def blocks(self) -> Iterator[tuple[int, bytes, int, int]]:
        """Whole lines as UTF-8: the number of the first, the text, how many, and the bytes of the file read so far."""
        number = 1
        for text, lines, position in self._texts():
            if number < self.first:
                skipped = min(self.first - number, lines)
                text = text.split(b"\n", skipped)[-1]
                number += skipped
                lines -= skipped
            if lines:
                yield number, text, lines, position
                number += lines

    def frames(self, wanted: Callable[[bytes], list[int]]) -> Iterator[tuple[pl.DataFrame, int]]:
        """What `frame` makes of each block and the columns that `wanted` tells for its text, and the bytes read so far; one is read ahead."""
        read = ((self.frame(first, text, lines, wanted(text)), done) for first, text, lines, done in self.blocks())
        with ThreadPoolExecutor(1) as ahead:
            coming = ahead.submit(next, read, None)
            while found := coming.result():
                coming = ahead.submit(next, read, None)
                yield found

    def _texts(self) -> Iterator[tuple[bytes, int, int]]:
        self.file.seek(0)
        decoder = codecs.getincrementaldecoder(self.encoding)()
        plain = self.encoding == "utf-8-sig"
        rest, read, lines = b"", 0, 1
        while True:
            piece = self.file.read(BLOCK)
            read += len(piece)
            # So that a last line without its end is in one block with those before it.
            end = len(piece) < BLOCK
            try:
                # Decoding finds what is not text; UTF-8 itself goes on as it is.
                text = decoder.decode(piece, final=end)
            except UnicodeDecodeError as error:
                line = lines + rest.count(b"\n") + error.object[: error.start].count(b"\n")
                what = "UTF-8" if plain else self.encoding
                raise Failure(f"{self.name}: line {line} is not {what}: say what the file is in, as --encoding latin-1", code=2) from None
            if not plain:
                piece = text.encode()
            elif read == len(piece):
                piece = piece.removeprefix(codecs.BOM_UTF8)
            rest += piece
            if end and rest and not rest.endswith(b"\n"):
                rest += b"\n"
            cut = rest.rfind(b"\n") + 1
            block, rest = rest[:cut], rest[cut:]
            if block:
                count = block.count(b"\n")
                yield block, count, read
                lines += count
            if end:
                return

    def frame(self, number: int, text: bytes, lines: int, wanted: list[int]) -> pl.DataFrame:
        """The wanted columns of a block as text, named by position, with `line` and `broken`: why a line can't be read."""
        columns = [f"c{position}" for position in range(len(self.header))]
        names = [columns[position] for position in wanted]
        frame = self._fast(text, columns, names, lines)
        if frame is None:
            return self._slow(number, text, columns).select("line", "broken", *names)
        return frame.with_row_index("line", number).with_columns(pl.col("line").cast(pl.Int64), broken=pl.lit(None, pl.String))

    def _fast(self, text: bytes, columns: list[str], names: list[str], lines: int) -> pl.DataFrame | None:
        """A block in which every line is as it should be, else None."""
        quoted = b'"' in text
        head = self.delimiter.join([*columns, "more"]).encode() + b"\n"
        last = {columns[-1]} if quoted else set()
        try:
            frame = pl.read_csv(
                head + text, separator=self.delimiter, infer_schema=False, quote_char='"' if quoted else None,
                truncate_ragged_lines=True, columns=[*dict.fromkeys([*names, *last, "more"])],
            )  # fmt: skip
        except pl.exceptions.PolarsError:
            return None
        if frame.height != lines or frame["more"].null_count() != lines:
            return None
        if quoted and frame[columns[-1]].null_count():
            return None
        if not quoted:
            expected = lines * (len(columns) - 1)
            found = text.count(self.delimiter.encode())
            if found != expected:
                empty = sum(not line.strip() for line in text.split(b"\n")[:-1])
                if found != expected - empty * (len(columns) - 1):
                    return None
        return frame.select(names)

    def _slow(self, number: int, text: bytes, columns: list[str]) -> pl.DataFrame:
        rows = []
        for line, content in enumerate(text.decode().split("\n")[:-1], number):
            content = content.rstrip("\r")
            fields: list[str] = []
            broken = None
            if content.strip():
                try:
                    fields = next(csv.reader([content], delimiter=self.delimiter, strict=True))
                except csv.Error:
                    broken = "a quote is not closed on its line, and a field may not go on in the next"
                if not broken and len(fields) == len(columns) + 1 and not fields[-1]:
                    fields.pop()
                if not broken and len(fields) != len(columns):
                    broken = f"{len(fields)} field{'s' * (len(fields) != 1)}, and the header has {len(columns)}"
            fields = [] if broken else fields
            rows.append([line, broken, *(field or None for field in fields), *[None] * (len(columns) - len(fields))])
        schema = {"line": pl.Int64, "broken": pl.String} | {name: pl.String for name in columns}
        return pl.DataFrame(rows, schema=schema, orient="row")


def open_source(path: str, encoding: str | None, delimiter: str | None, skip: int, kept: BinaryIO | None = None) -> Source:
    """Open the file, or `kept`, what came from standard input; raises Failure where it is no CSV file with a header."""
    name = "standard input" if path == "-" else path
    if kept is None and os.path.isdir(path):
        raise Failure(f"{path} is a folder: name a CSV file", code=2)
    file = kept or open(path, "rb")
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(1 << 20)
    if not head.strip():
        raise Failure(f"{name} is empty", code=2)
    encoding = encoding or next((found for mark, found in MARKS.items() if head.startswith(mark)), "utf-8-sig")
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise Failure(f"--encoding {encoding} is not known: utf-8, utf-16, latin-1 and cp1252 are", code=2) from None
    if codecs.lookup(encoding).name == "utf-8":
        encoding = "utf-8-sig"
    text = head.decode(encoding, errors="replace")
    if "\0" in text:
        raise Failure(f"{name} is no text, or UTF-16 without a mark: pass --encoding utf-16-le, or save it as UTF-8", code=2)
    if "\r" in text and "\n" not in text:
        raise Failure(f"{name} ends its lines by CR alone: save it with line ends of Windows or Unix", code=2)
    lines = text.split("\n")
    while skip < len(lines) and not lines[skip].strip():
        skip += 1
    if skip < len(lines) and lines[skip].lower().startswith("sep=") and len(lines[skip].strip()) == 5:
        delimiter = delimiter or lines[skip].strip()[4]
        skip += 1
    if skip >= len(lines):
        raise Failure(f"{name} has no line {skip + 1} to hold the columns' names", code=2)
    line = lines[skip].rstrip("\r")
    delimiter = delimiter or max(DELIMITERS, key=line.count)
    try:
        header = [field.strip() for field in next(csv.reader([line], delimiter=delimiter, strict=True))]
    except csv.Error:
        raise Failure(f"{name}: the quotes of line {skip + 1} don't close", code=2) from None
    if not any(character.isalpha() for character in line):
        raise Failure(f"{name}: line {skip + 1} should hold the columns' names, and is {line[:60]!r}: add them, or --skip lines", code=2)
    if len(header) < 2:
        raise Failure(f"{name}: no comma, semicolon or tab parts the columns in line {skip + 1}: {line[:60]!r}; pass --delimiter", code=2)
    return Source(name, file, size, encoding, delimiter, header, skip + 2)


def standard_input() -> BinaryIO:
    """All of standard input in a temporary file, since it is read twice."""
    if sys.stdin.isatty():
        raise Failure("standard input is a terminal: name a file, or pipe one in", code=2)
    kept = tempfile.TemporaryFile()
    while piece := sys.stdin.buffer.read(BLOCK):
        kept.write(piece)
    return kept
