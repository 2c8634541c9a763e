"""Hostile statements on what is configured and recorded, and on internals."""

from collections.abc import Iterator

from hostile import readings
from hostile.case import FACTORY, MACHINE, UNKNOWN, Statement
from hostile.plant import SPARE, key

TRIGGER_FUNCTIONS = (
    "public.update_updated_at_column enms.refuse_unknown_machine enms.keep_machine_with_readings enms.refuse_tariff_overlap enms.write_audit_log "
    "enms.keep_audit_log enms.roll_up_history enms.note_deleted_history enms.feed_rollups"
).split()


def plant() -> Iterator[Statement]:
    keep = f"({MACHINE}) has readings in"
    yield Statement(
        "a machine with readings deleted", f"delete from machines where id = '{MACHINE}'", "23503", keep, covers="machines_keep_with_readings"
    )
    yield Statement(
        "a machine with readings given a new id",
        f"update machines set id = '{key(30)}' where id = '{MACHINE}'",
        "23503",
        keep,
        covers="machines_keep_id_with_readings",
    )
    yield Statement("every machine deleted", "delete from machines", "23503", keep)
    yield Statement("a factory with readings deleted", f"delete from factories where id = '{FACTORY}'", "23503", keep)
    yield Statement("machines emptied", "truncate machines cascade", "23503", "machines can't be truncated", covers="machines_keep_on_truncate")
    yield Statement("factories emptied", "truncate factories cascade", "23503", "machines can't be truncated")
    yield Statement("machines emptied without cascade", "truncate machines", "0A000", '"machine_status" references "machines"')
    yield Statement(
        "a machine deleted under repeatable read",
        f"begin isolation level repeatable read; delete from machines where id = '{key(1)}'",
        "0A000",
        "machines can't be deleted under repeatable read",
    )
    yield Statement("a factory given a new id", f"update factories set id = '{key(30)}' where id = '{FACTORY}'", "23503", "machines_factory_fkey")
    yield Statement("a machine written by ingest", "update machines set is_active = false", "42501", "table machines", "enms_ingest")
    yield Statement("a factory written by a reader", "update factories set is_active = false", "42501", "table factories", "enms_reader")
    yield Statement(
        "a status of an unknown machine upserted",
        f"insert into machine_status (machine_id) values ('{UNKNOWN}') on conflict (machine_id) do update set is_running = true",
        "23503",
        "machine_status_machine_fkey",
        "enms_ingest",
    )
    yield Statement(
        "one machine's status twice in an upsert",
        f"insert into machine_status (machine_id) values ('{key(111)}'), ('{key(111)}') on conflict (machine_id) do update set is_running = true",
        "21000",
        "ON CONFLICT DO UPDATE command cannot affect row a second time",
    )
    yield Statement("two factories of one name", "insert into factories (name) values ('Twin'), ('Twin')", "23505", "factories_name_unique")
    yield Statement(
        "two machines of one name",
        f"insert into machines (factory_id, name, type, rated_power_kw) select '{SPARE}', 'Twin', 'pump', 1 from generate_series(1, 2)",
        "23505",
        "machines_factory_name_unique",
    )
    yield Statement(
        "two carbon factors from one day",
        "insert into carbon_factors (region, emission_factor_kg_co2_per_kwh, valid_from) select 'X', 0.1, '2026-01-01' from generate_series(1, 2)",
        "23505",
        "carbon_factors_region_start_unique",
    )
    yield Statement("text that is not UTF-8", "copy factories (name) from stdin", "22021", 'encoding "UTF8": 0xff', copy=b"plant \xff\n")
    yield Statement("half a character of UTF-8", "copy factories (name) from stdin", "22021", 'encoding "UTF8": 0xe2', copy=b"plant \xe2\x82\n")
    yield Statement("NUL in a name", "copy factories (name) from stdin", "22021", 'encoding "UTF8": 0x00', copy=b"plant \x00\n")


def tariffs() -> Iterator[Statement]:
    band = f"insert into energy_tariffs (factory_id, name, rate_per_kwh, valid_from, is_time_of_use, start_hour, end_hour, applicable_days) values ('{SPARE}', "
    flat = "insert into energy_tariffs (factory_id, name, rate_per_kwh, valid_from, valid_to) values "
    overlap = "energy_tariffs_no_overlap"
    yield Statement(
        "two flat tariffs in one statement",
        f"{flat}('{SPARE}', 'A', 1, '2026-01-01', null), ('{SPARE}', 'B', 1, '2027-01-01', null)",
        "23P01",
        overlap,
        covers=overlap,
    )
    yield Statement(
        "two flat tariffs on one day",
        f"{flat}('{SPARE}', 'A', 1, '2026-01-01', '2026-06-30'), ('{SPARE}', 'B', 1, '2026-06-30', '2026-12-31')",
        "23P01",
        overlap,
    )
    yield Statement(
        "two flat tariffs in the last year",
        f"{flat}('{SPARE}', 'A', 1, '9999-01-01', null), ('{SPARE}', 'B', 1, '9999-12-31', '9999-12-31')",
        "23P01",
        overlap,
    )
    yield Statement(
        "two bands in one statement",
        f"{band} 'A', 1, '2026-01-01', true, 6, 9, '{{1}}'), ('{SPARE}', 'B', 1, '2026-01-01', true, 8, 12, '{{1}}')",
        "23P01",
        overlap,
    )
    yield Statement(
        "two bands across midnight",
        f"{band} 'A', 1, '2026-01-01', true, 22, 6, '{{1}}'), ('{SPARE}', 'B', 1, '2026-01-01', true, 5, 7, '{{1}}')",
        "23P01",
        overlap,
    )
    yield Statement(
        "two bands by COPY",
        "copy energy_tariffs (factory_id, name, rate_per_kwh, valid_from) from stdin",
        "23P01",
        overlap,
        copy=f"{SPARE}\tA\t1\t2026-01-01\n{SPARE}\tB\t1\t2026-01-01\n".encode(),
    )
    yield Statement(
        "a tariff made to overlap",
        "update energy_tariffs set valid_from = '2000-01-01', is_time_of_use = false where name = 'Peak'",
        "23P01",
        overlap,
    )
    yield Statement(
        "a tariff moved to another factory", f"update energy_tariffs set factory_id = '{FACTORY}' where name = 'Grundtarif'", "23P01", overlap
    )
    yield Statement(
        "a zone that makes tariffs overlap",
        f"begin; {band} 'A', 1, '2026-01-01', true, 6, 9, '{{1}}'); "
        f"insert into energy_tariffs (factory_id, name, rate_per_kwh, valid_from, is_time_of_use, start_hour, end_hour, applicable_days, timezone) "
        f"values ('{SPARE}', 'B', 1, '2026-01-01', true, 9, 12, '{{1}}', 'UTC'); update factories set timezone = 'Asia/Tokyo' where id = '{SPARE}'",
        "23P01",
        overlap,
        covers="factories_tariffs_no_overlap",
    )
    yield Statement("a factory's tariffs read by ingest", "select * from energy_tariffs", "42501", "table energy_tariffs", "enms_ingest")


def internals() -> Iterator[Statement]:
    yield Statement(
        "audit_log changed", "update audit_log set action = 'x'", "42501", "audit_log is append-only: UPDATE refused", covers="audit_log_append_only"
    )
    yield Statement("audit_log emptied", "truncate audit_log", "42501", "audit_log is append-only: TRUNCATE refused")
    for role in "enms_ingest", "enms_reader":
        yield Statement(
            f"audit_log written by {role}", "insert into audit_log (event_type, action) values ('x', 'x')", "42501", "table audit_log", role
        )
        yield Statement(f"audit_log deleted by {role}", "delete from audit_log", "42501", "table audit_log", role)
        for table in "touched_history", "pending_history", "schema_version":
            object_named = f"table {table}" if role == "enms_reader" else "schema enms"
            yield Statement(f"enms.{table} deleted by {role}", f"delete from enms.{table}", "42501", object_named, role)
    for table, columns in (
        ("touched_history", "source bucket machine_id carrier written gone"),
        ("pending_history", "source"),
        ("schema_version", "version spec_digest completed_at"),
    ):
        good = {
            "source": "'x'",
            "bucket": "now()",
            "machine_id": f"'{MACHINE}'",
            "carrier": "''",
            "written": "1",
            "gone": "0",
            "version": "'x'",
            "spec_digest": "'x'",
            "completed_at": "now()",
        }
        for column in columns.split():
            row = ", ".join("null" if name == column else good[name] for name in columns.split())
            yield Statement(f"enms.{table}.{column}=null", f"insert into enms.{table} values ({row})", "23502", column, covers=f"{table}.{column}")
    yield Statement(
        "the completion marker twice", "insert into enms.schema_version select * from enms.schema_version", "23505", "schema_version_pkey"
    )
    for function in TRIGGER_FUNCTIONS:
        yield Statement(
            f"{function}() called by hand", f"select {function}()", "0A000", "trigger functions can only be called as triggers", covers=function
        )


def statements() -> list[Statement]:
    """Every case of a hostile statement."""
    return [case for make in (readings.statements, plant, tariffs, internals) for case in make()]
