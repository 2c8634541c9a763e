"""A block of the file as rows for staging, and the rows that can't be: what is wrong with each."""

import io
import json
from dataclasses import dataclass, field

import polars as pl

from scripts.history import decimals, times
from scripts.history.columns import Column
from scripts.history.survey import text_of
from scripts.history.target import Table

TRUTH = "true", "false", "t", "f", "yes", "no", "1", "0"


@dataclass
class Preparation:
    """How rows are made of a file's columns, and what was found on the way.

    `zone` is that of local times; `shift` is added to every time, s; `machines` are ids by label, without them
    the file is of one machine. `sorted` stays true while each machine's times only grow, `in_order` while all times do.
    """

    table: Table
    columns: dict[str, Column]
    numbers: list[str]
    comma: bool
    day_first: bool
    zone: str
    shift: float
    folds: times.Folds
    machines: dict[str, str] | None
    empty: int = 0
    sorted: bool = True
    in_order: bool = True
    latest: object = None
    last: dict[str, object] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Columns of the staging table that the rows have, besides the line."""
        return [name for name in self.columns if name != "machine_id" or self.machines is not None]

    def rows(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The rows for staging, and `line` and `reason` of the others."""
        raw = {name: frame[f"c{self.columns[name].positions[0]}"] for name in self.numbers}
        # Numbers that are written as PostgreSQL writes them go on as they are, the common case.
        clear = {name for name, text in raw.items() if not self.comma and decimals.plain(text)}
        texts = {name: raw[name] if name in clear else text_of(frame, column) for name, column in self.columns.items()}
        work = pl.DataFrame({"line": frame["line"], "reason": frame["broken"]} | texts)
        blank = pl.col("reason").is_null() & pl.all_horizontal(pl.col(name).is_null() for name in texts)
        used = work.filter(~blank) if work.select(blank.any()).item() else work
        self.empty += work.height - used.height
        work = self._machines(self._times(used))
        for name in self.columns:
            column = self.table.fields.get(name)
            if name in clear:
                if power := self.columns[name].exponent:
                    work = work.with_columns(pl.col(name) + f"e{power}")
            elif name in self.numbers:
                work = self._replace(work, name, decimals.clean(work[name], self.comma, self.columns[name].exponent), "is not a number")
            elif column and column.type == "jsonb":
                wrong = [text for text in work[name].drop_nulls().unique() if not is_json(text)]
                work = self._replace(work, name, pl.select(pl.when(~work[name].is_in(wrong)).then(work[name])).to_series(), "is no JSON")
            elif column and column.type == "boolean":
                lower = work[name].str.to_lowercase()
                work = self._replace(work, name, pl.select(pl.when(lower.is_in(TRUTH)).then(lower)).to_series(), "is neither true nor false")
        bad = work["reason"].is_not_null()
        if not bad.any():
            good, refused = work, work.clear()
        else:
            good, refused = work.filter(~bad), work.filter(bad)
        self._follow(good)
        return good.select("line", *self.names), refused.select("line", "reason")

    @staticmethod
    def _replace(work: pl.DataFrame, name: str, value: pl.Series, complaint: str) -> pl.DataFrame:
        """Put a column's values in; a text that gave none is the row's reason, unless it has one."""
        if value.null_count() > work[name].null_count():
            said = pl.concat_str(pl.lit(f"{name}: '"), pl.col(name).str.slice(0, 60), pl.lit(f"' {complaint}"))
            wrong = value.is_null() & work[name].is_not_null()
            work = work.with_columns(reason=pl.when(pl.col("reason").is_null() & wrong).then(said).otherwise("reason"))
        return work.with_columns(value.alias(name))

    def _times(self, work: pl.DataFrame) -> pl.DataFrame:
        read = times.read(work["time"], self.day_first)
        utc = read["utc"]
        if read["local"].null_count() < work.height:
            second = work.select("line").join(self.folds.second, on="line", how="left", maintain_order="left")["second"].fill_null(False)
            zoned = times.to_utc(read["local"], self.zone, second)
            skipped = zoned.is_null() & read["local"].is_not_null()
            if skipped.any():
                said = pl.concat_str(pl.lit("time: '"), pl.col("time"), pl.lit(f"' does not exist in {self.zone}: the clocks go forward over it"))
                work = work.with_columns(reason=pl.when(pl.col("reason").is_null() & skipped).then(said).otherwise("reason"))
            utc = utc.fill_null(zoned)
        missing = pl.col("time").is_null() & pl.col("reason").is_null()
        work = work.with_columns(reason=pl.when(missing).then(pl.lit("time is empty")).otherwise("reason"))
        if self.shift:
            utc = utc.dt.offset_by(f"{round(self.shift * 1000)}ms")
        return self._replace(work, "time", utc, "is not a time")

    def _machines(self, work: pl.DataFrame) -> pl.DataFrame:
        if self.machines is None or "machine_id" not in work.columns:
            return work
        work = work.with_columns(
            reason=pl.when(pl.col("machine_id").is_null() & pl.col("reason").is_null()).then(pl.lit("machine_id is empty")).otherwise("reason")
        )
        ids = work["machine_id"].replace_strict(self.machines, default=None, return_dtype=pl.String)
        return self._replace(work, "machine_id", ids, "is no machine of machines, or of two factories")

    def _follow(self, good: pl.DataFrame) -> None:
        """See whether the times of each machine and energy type only grow; where they do nothing comes twice."""
        if not good.height:
            return
        self.in_order = self.in_order and good["time"].is_sorted() and (self.latest is None or self.latest <= good["time"][0])
        self.latest = good["time"][-1]
        if not self.sorted:
            return
        by = [name for name in ("machine_id", "energy_type") if name in good.columns]
        key = pl.concat_str([pl.col(name).fill_null("") for name in by], separator="\t") if by else pl.lit("")
        grouped = good.group_by(key.alias("key"), maintain_order=True).agg(
            first=pl.col("time").first(), last=pl.col("time").last(), grows=(pl.col("time").diff().drop_nulls() > pl.duration()).all()
        )
        for name, first, last, grows in grouped.iter_rows():
            if not grows or (name in self.last and first <= self.last[name]):
                self.sorted = False
                return
            self.last[name] = last


def is_json(text: str) -> bool:
    """True for what jsonb takes: no NaN or infinity, no character 0, in an object or any other value."""
    try:
        json.loads(text, parse_constant=_refuse)
    except ValueError:
        return False
    return "\\u0000" not in text


def _refuse(name: str) -> None:
    raise ValueError(name)


def copy_text(rows: pl.DataFrame) -> bytes:
    """Rows as COPY reads them with format csv: empty is NULL."""
    text = io.BytesIO()
    rows.write_csv(text, include_header=False, quote_style="necessary", null_value="", datetime_format="%Y-%m-%d %H:%M:%S%.f+00")
    return text.getvalue()
