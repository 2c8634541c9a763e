"""Bytes per reading, raw and compressed."""

from scripts.bench.copying import TARGET
from scripts.bench.registry import Bench, Goal, Measured, measure


@measure("raw_bytes", "raw bytes per reading, with index", "PostgreSQL's heap, no index", Goal("<= 1.6x", at_most=1.6))
def raw_bytes(bench: Bench) -> Measured:
    """Bytes of the copied readings in the hypertable to those in a heap of the same rows."""
    hypertable, heap = bench.found["bytes"]
    return Measured(
        hypertable / heap,
        f"{hypertable / heap:.2f}x ({hypertable / bench.rows:.0f} to {heap / bench.rows:.0f} bytes)",
        {"bytes_per_reading": hypertable / bench.rows, "floor_bytes_per_reading": heap / bench.rows},
    )


@measure("compression", "bytes that compression saves", "uncompressed, with index", Goal(">= 95 %", at_least=0.95), community=True)
def compression(bench: Bench) -> Measured:
    """Share of the raw bytes that the plant's compressed chunks no longer take."""
    before, after, chunks, begin, end = bench.session.execute(
        f"""
        select sum(s.before_compression_total_bytes)::bigint, sum(s.after_compression_total_bytes)::bigint, count(*),
               min(c.range_start), max(c.range_end)
        from chunk_compression_stats('{TARGET}') s
        join timescaledb_information.chunks c on c.chunk_schema = s.chunk_schema and c.chunk_name = s.chunk_name
        where s.compression_status = 'Compressed' and c.range_end > %(begin)s
          -- The first day is only a part of one, whose fixed costs weigh too much; but a young plant may have no other.
          and (c.range_start >= %(begin)s or not exists (
              select from timescaledb_information.chunks whole
              where whole.hypertable_name = '{TARGET}' and whole.is_compressed and whole.range_start >= %(begin)s))
        """,
        {"begin": bench.plant.begin},
    ).fetchone()
    rows = bench.session.execute(f"select count(*) from {TARGET} where time >= %s and time < %s", [begin, end]).fetchone()[0]
    saved = 1 - after / before
    return Measured(
        saved,
        f"{saved:.1%} ({before / rows:.0f} to {after / rows:.1f} bytes)".replace("%", " %"),
        {"chunks": chunks, "readings": rows, "bytes_per_reading": after / rows, "floor_bytes_per_reading": before / rows},
    )
