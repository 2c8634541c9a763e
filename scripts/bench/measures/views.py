"""The views that dashboards read."""

from statistics import median

from psycopg import sql

from scripts.bench.registry import Bench, Goal, Measured, measure
from scripts.bench.timing import brief, repeated, seconds

LIMIT = 20.0
ROUNDS = 7


@measure("views", "every view, median of the slowest", "- (absolute)", Goal(f"< {LIMIT:g} ms", at_most=1))
def views(bench: Bench) -> Measured:
    """Median of the slowest view to 20 ms."""
    names = [
        name
        for (name,) in bench.session.execute(
            r"select viewname from pg_views where schemaname = 'public' and viewname like 'v\_%' order by 1"
        ).fetchall()
    ]
    medians = {}
    for name in names:
        query = sql.SQL("select * from public.{}").format(sql.Identifier(name)).as_string(bench.session)
        medians[name] = median(repeated(lambda query=query: seconds(bench.session, query), ROUNDS)) * 1000
    slowest = max(medians, key=medians.get)
    return Measured(
        medians[slowest] / LIMIT,
        f"{brief(medians[slowest])} ms ({slowest})",
        {"slowest": slowest, "ms": medians[slowest], "limit_ms": LIMIT, "median_ms": medians},
    )
