"""Hostile statements on readings."""

from collections.abc import Iterator

from conftest import COMMUNITY
from hostile.case import MACHINE, UNKNOWN, Statement
from hostile.plant import PAST_RETENTION, minute

# The columns of a row, the last one's value, and the key that an upsert names.
READINGS = {
    "energy_readings": ("time, machine_id, power_kw", "1", "(time, machine_id, energy_type)"),
    "production_data": ("time, machine_id, production_count", "1", "(time, machine_id)"),
    "environmental_data": ("time, machine_id, cop", "1", "(time, machine_id)"),
}


def statements() -> Iterator[Statement]:
    for table, (columns, value, conflict) in READINGS.items():
        new = f"('{minute(30)}', '{MACHINE}', {value})"
        unknown = f"unknown machine {UNKNOWN} in {table}"
        yield Statement(
            f"{table}: one row twice in an upsert",
            f"insert into {table} ({columns}) values {new}, {new} on conflict {conflict} do update set metadata = '{{}}'",
            "21000",
            "ON CONFLICT DO UPDATE command cannot affect row a second time",
        )
        unique = "machine_time_type_unique" if table == "energy_readings" else "machine_time_unique"
        yield Statement(f"{table}: one row twice", f"insert into {table} ({columns}) values {new}, {new}", "23505", f"{table}_{unique}")
        yield Statement(
            f"{table}: one row twice in a COPY",
            f"copy {table} ({columns}) from stdin",
            "23505",
            f"{table}_{unique}",
            copy=f"{minute(30)}\t{MACHINE}\t{value}\n".encode() * 2,
        )
        yield Statement(
            f"{table}: upsert on a key that is none",
            f"insert into {table} ({columns}) values {new} on conflict (machine_id) do nothing",
            "42P10",
            "ON CONFLICT specification",
        )
        yield Statement(
            f"{table}: a machine that is unknown among known ones",
            f"insert into {table} ({columns}) values {new}, ('{minute(31)}', '{UNKNOWN}', {value})",
            "23503",
            unknown,
            covers=f"{table}_machine_known_on_insert",
        )
        yield Statement(
            f"{table}: an update to an unknown machine",
            f"update {table} set machine_id = '{UNKNOWN}' where time = '{minute(1)}'",
            "23503",
            unknown,
            covers=f"{table}_machine_known_on_update",
        )
        yield Statement(
            f"{table}: a reading moved out of its chunk",
            f"update {table} set time = time - interval '40 days' where time = '{minute(1)}'",
            "23514",
            "constraint_",
        )
        # TimescaleDB makes a chunk before it looks at the constraints, and there is none for the first and last times.
        for time in "-infinity", "294276-12-31":
            yield Statement(
                f"{table}.time={time}", f"insert into {table} ({columns}) values ('{time}', '{MACHINE}', {value})", "22008", "timestamp out of range"
            )
        yield Statement(
            f"{table}: NUL in a COPY",
            f"copy {table} (time, machine_id, metadata) from stdin",
            "22021",
            'encoding "UTF8": 0x00',
            copy=f'{minute(30)}\t{MACHINE}\t{{"a": "\0"}}\n'.encode(),
        )
        yield Statement(
            f"{table}: a row too short",
            f"copy {table} ({columns}) from stdin",
            "22P04",
            f'missing data for column "{columns.split(", ")[2]}"',
            copy=f"{minute(30)}\t{MACHINE}\n".encode(),
        )
        yield Statement(
            f"{table}: a row too long",
            f"copy {table} ({columns}) from stdin",
            "22P04",
            "extra data after last expected column",
            copy=f"{minute(30)}\t{MACHINE}\t{value}\t{value}\n".encode(),
        )
        yield Statement(
            f"{table}: a column that there isn't",
            f"insert into {table} (time, machine_id, meter) values ('{minute(30)}', '{MACHINE}', 1)",
            "42703",
            '"meter"',
        )
        yield Statement(f"{table}: deleted by ingest", f"delete from {table}", "42501", f"table {table}", "enms_ingest")
        yield Statement(f"{table}: emptied by ingest", f"truncate {table}", "42501", f"table {table}", "enms_ingest")
        yield Statement(f"{table}: written by a reader", f"insert into {table} ({columns}) values {new}", "42501", f"table {table}", "enms_reader")
    upsert = (
        "insert into energy_readings (time, machine_id, power_kw) values ('{}', '{}', 1) on conflict (time, machine_id, energy_type) do update set {}"
    )
    yield Statement(
        "energy_readings: an upsert to an unknown machine",
        upsert.format(minute(1), MACHINE, f"machine_id = '{UNKNOWN}'"),
        "23503",
        f"unknown machine {UNKNOWN} in energy_readings",
    )
    yield Statement(
        "energy_readings: past retention",
        f"insert into energy_readings (time, machine_id, power_kw) values ('{PAST_RETENTION}', '{MACHINE}', 1)",
        "55000",
        f"readings of machine {MACHINE} in the minute",
        edition=COMMUNITY,
        covers="pending_history_roll_up",
    )
    yield Statement(
        "energy_readings: past retention by COPY",
        "copy energy_readings (time, machine_id, power_kw) from stdin",
        "55000",
        "are past retention",
        copy=f"{PAST_RETENTION}\t{MACHINE}\t1\n".encode(),
        edition=COMMUNITY,
    )
    yield Statement(
        "energy_readings: history under repeatable read",
        f"begin isolation level repeatable read; insert into energy_readings (time, machine_id, power_kw) values (now() - interval '70 days', '{MACHINE}', 1); commit",
        "0A000",
        "can't be written under repeatable read",
        edition=COMMUNITY,
    )
