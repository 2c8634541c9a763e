"""Energy baselines of the machines: least squares over the demo's own days, as the readings in the database have them."""

import json
import math
import uuid

import psycopg

from scripts.demo.findings import NAMESPACE
from scripts.demo.plant import Machine

# What explains a day's energy. Degree days are counted from 17.5 degrees Celsius, up or down.
FEATURES = {"hvac": ("degree_days", "operating_hours")}
FEATURES_OTHER = ("production_count",)
LEAST_DAYS = 7
# Local days that lie wholly in the range.
DAYS = """
with energy as (
    select (bucket at time zone %(zone)s)::date as day, sum(total_energy_kwh) as kwh
    from energy_readings_15min
    where machine_id = %(machine)s and bucket >= to_timestamp(%(begin)s) and bucket < to_timestamp(%(end)s) group by 1),
production as (
    select (time at time zone %(zone)s)::date as day, sum(production_count) as production_count,
           count(*) filter (where operating_mode = 'running') * %(every)s / 3600.0 as operating_hours
    from production_data
    where machine_id = %(machine)s and time >= to_timestamp(%(begin)s) and time < to_timestamp(%(end)s) group by 1),
weather as (
    select (time at time zone %(zone)s)::date as day, abs(avg(outdoor_temp_c) - 17.5) as degree_days
    from environmental_data
    where machine_id = %(machine)s and time >= to_timestamp(%(begin)s) and time < to_timestamp(%(end)s) group by 1)
select (day::timestamp at time zone %(zone)s), ((day + 1)::timestamp at time zone %(zone)s), kwh::float8, {features}
from energy join production using (day) join weather using (day)
where (day::timestamp at time zone %(zone)s) >= to_timestamp(%(begin)s)
  and ((day + 1)::timestamp at time zone %(zone)s) <= to_timestamp(%(end)s)
order by day
"""
LACKS = "select not exists (select from energy_baselines where machine_id = %s and is_active)"
INSERT = """
insert into energy_baselines (id, machine_id, model_name, model_type, model_version, training_start_date, training_end_date,
                              training_samples, coefficients, intercept, feature_names, r_squared, rmse, mae, is_active, trained_by, metadata)
select %(id)s, %(machine_id)s, %(model_name)s, 'linear_regression', coalesce(max(b.model_version), 0) + 1, %(start)s, %(end)s,
       %(samples)s, %(coefficients)s, %(intercept)s, %(features)s, %(r_squared)s, %(rmse)s, %(mae)s, true, 'demo', %(metadata)s
from energy_baselines b where b.machine_id = %(machine_id)s
on conflict (id) do nothing
"""


def least_squares(rows: list[tuple[float, ...]], targets: list[float]) -> list[float] | None:
    """Intercept and coefficients of the least sum of squared errors; None where the rows leave them open."""
    rows = [(1.0, *row) for row in rows]
    size = len(rows[0])
    matrix = [[math.fsum(row[i] * row[j] for row in rows) for j in range(size)] for i in range(size)]
    for i in range(size):
        matrix[i].append(math.fsum(row[i] * target for row, target in zip(rows, targets, strict=True)))
    for i in range(size):
        pivot = max(range(i, size), key=lambda line: abs(matrix[line][i]))
        matrix[i], matrix[pivot] = matrix[pivot], matrix[i]
        if abs(matrix[i][i]) < 1e-9:
            return None
        for line in range(size):
            if line != i:
                share = matrix[line][i] / matrix[i][i]
                matrix[line] = [value - share * other for value, other in zip(matrix[line], matrix[i], strict=True)]
    return [matrix[i][size] / matrix[i][i] for i in range(size)]


def store(session: psycopg.Connection, seed: int, machines: list[Machine], begin: int, end: int) -> int:
    """Write a baseline of each machine that has none active and whole days enough in [begin, end); how many are new."""
    new = 0
    for machine in machines:
        if session.execute(LACKS, [machine.id]).fetchone()[0] and (row := _baseline(session, seed, machine, begin, end)):
            new += session.execute(INSERT, row).rowcount
    return new


def _baseline(session: psycopg.Connection, seed: int, machine: Machine, begin: int, end: int) -> dict | None:
    features = FEATURES.get(machine.type, FEATURES_OTHER)
    query = DAYS.format(features=", ".join(f"{feature}::float8" for feature in features))
    asked = {"machine": machine.id, "zone": machine.timezone, "begin": begin, "end": end, "every": machine.other_interval}
    days = session.execute(query, asked).fetchall()
    if len(days) < LEAST_DAYS:
        return None
    targets, rows = [day[2] for day in days], [day[3:] for day in days]
    found = least_squares(rows, targets)
    if found is None:
        return None
    errors = [target - found[0] - math.fsum(c * v for c, v in zip(found[1:], row, strict=True)) for target, row in zip(targets, rows, strict=True)]
    mean = math.fsum(targets) / len(targets)
    squares, spread = math.fsum(error**2 for error in errors), math.fsum((target - mean) ** 2 for target in targets)
    start, last = days[0][0], days[-1][1]
    return {
        "id": uuid.uuid5(NAMESPACE, f"{seed}/{machine.id}/baseline/{start.timestamp():.0f}/{last.timestamp():.0f}"),
        "machine_id": machine.id,
        "model_name": f"Daily energy of {machine.name}",
        "start": start,
        "end": last,
        "samples": len(days),
        "coefficients": json.dumps({name: round(value, 6) for name, value in zip(features, found[1:], strict=True)}),
        "intercept": round(found[0], 6),
        "features": list(features),
        "r_squared": round(1 - squares / spread, 4) if spread else None,
        "rmse": round(math.sqrt(squares / len(days)), 6),
        "mae": round(math.fsum(map(abs, errors)) / len(days), 6),
        "metadata": json.dumps({"demo": seed}),
    }
