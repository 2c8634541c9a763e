"""The plant that is measured: its machines, and the time that its readings cover."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from scripts.bench.readings import Machine

# What BENCH_MACHINES' machines send, s, and how many of them the first factory has, as in the seed.
INTERVAL, FACTORY_MACHINES = 10, 5

MACHINES = """
select row_number() over (order by m.id)::integer, m.id::text, m.factory_id::text, f.timezone, m.data_interval_seconds,
       m.rated_power_kw::float8, coalesce(m.rated_voltage_v, 400)::float8, coalesce(m.rated_frequency_hz, 50)::float8
from machines m join factories f on f.id = m.factory_id
order by m.id
"""


@dataclass(frozen=True)
class Plant:
    """Machines with readings in [begin, end); `days` is that time in days."""

    machines: tuple[Machine, ...]
    begin: datetime
    end: datetime
    days: float

    @classmethod
    def build(cls, session: psycopg.Connection, days: float, machines: int | None) -> "Plant":
        """The seed's machines, or `machines` others in their place, up to this minute."""
        if machines:
            _replace_machines(session, machines)
        # The views on them are measured too.
        session.execute(BASELINES)
        session.execute(ANOMALIES)
        session.execute("update machine_status set is_running = true, current_mode = 'running', current_power_kw = 20")
        found = tuple(Machine(*row) for row in session.execute(MACHINES).fetchall())
        end = datetime.now(UTC).replace(second=0, microsecond=0)
        return cls(found, end - timedelta(minutes=max(1, round(days * 1440))), end, days)

    @property
    def rate(self) -> float:
        """Energy readings per second."""
        return sum(1 / machine.interval for machine in self.machines)

    @property
    def factory_machines(self) -> list[Machine]:
        """Machines of the first machine's factory."""
        return [machine for machine in self.machines if machine.factory_id == self.machines[0].factory_id]

    @property
    def hours(self) -> list[tuple[datetime, datetime]]:
        """[begin, end) cut at full hours."""
        cuts = [self.begin]
        while (hour := cuts[-1].replace(minute=0) + timedelta(hours=1)) < self.end:
            cuts.append(hour)
        return list(zip(cuts, [*cuts[1:], self.end], strict=True))


def _replace_machines(session: psycopg.Connection, count: int) -> None:
    session.execute("delete from machines")
    session.execute(
        """
        with factory as (select id, row_number() over (order by id) as number from factories)
        insert into machines (id, factory_id, name, type, rated_power_kw, rated_voltage_v, rated_frequency_hz, data_interval_seconds)
        select ('c1000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, f.id, 'Machine-' || n, 'other', 10 + n * 7 %% 90, 400, 50, %s
        from generate_series(1, %s) n join factory f on f.number = case when n <= %s then 1 else 2 end
        """,
        [INTERVAL, count, FACTORY_MACHINES],
    )
    session.execute("insert into machine_status (machine_id) select id from machines")


BASELINES = """
insert into energy_baselines (machine_id, model_name, training_start_date, training_end_date, training_samples, coefficients,
                              intercept, feature_names, r_squared, rmse, mae, trained_by)
select id, 'Baseline of ' || name, now() - interval '90 days', now() - interval '30 days', 1440,
       '{"production_count": 0.12}', 4.2, array['production_count'], 0.87, 1.1, 0.8, 'analytics'
from machines
"""
ANOMALIES = """
insert into anomalies (machine_id, detected_at, anomaly_type, severity, metric_name, metric_value, expected_value,
                       deviation_percent, deviation_std_dev, detection_method, confidence_score, is_resolved)
select m.id, now() - n * interval '7 hours', 'power_spike', 'warning', 'power_kw', 61.5, 48.2, 27.6, 3.4, 'isolation_forest', 0.91, n > 3
from machines m cross join generate_series(1, 100) n
"""
