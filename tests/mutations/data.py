"""Changes of seed rows, tariffs, factors, the marker and the restoring mode."""

from collections.abc import Iterator

from mutations.change import Change
from verify.sources import Sources
from verify.spec import Spec

# How to write another value of a column; the rest takes a text.
OTHER = {
    "factory": "factory_id = (select max(id::text)::uuid from factories where id <> factory_id)", "type": "type = case type when 'other' then 'pump' else 'other' end::machine_type",
    "rated_power_kw": "rated_power_kw = rated_power_kw + 1", "data_interval_seconds": "data_interval_seconds = data_interval_seconds + 1",
    "timezone": "timezone = 'Asia/Tokyo'",
}  # fmt: skip


def changes(spec: Spec, sources: Sources) -> Iterator[Change]:
    for table in "factories", "machines":
        for row in spec.seed[table]:
            check, where = f"row {row['name']} of {table}", f"where id = '{row['id']}'"
            yield Change(f"seed row of {table} missing", check, row["id"], f"delete from {table} {where}", takes=table == "factories", alone=table == "factories")
            for name in row.keys() - {"id"}:
                update = OTHER.get(name, f"{name} = 'm ' || {name}")
                yield Change(f"seed row of {table} changed", check, f"{name}: expected", f"update {table} set {update} {where}")
            renumber = f"set local session_replication_role = replica; update {table} set id = gen_random_uuid() {where}"
            yield Change(f"seed row of {table} of another id", check, row["id"], renumber)
    for row in spec.seed["machines"]:
        yield Change("status missing", f"row {row['name']} of machine_status", "missing", f"delete from machine_status where machine_id = '{row['id']}'")
    for region in spec.seed["regions"]:
        check = f"carbon factor of {region} today"
        for kind, sql in (
            ("factor missing", "delete from carbon_factors where region = '{}'"),
            ("factor not active", "update carbon_factors set is_active = false where region = '{}'"),
            ("factor run out", "update carbon_factors set valid_to = greatest(valid_from, current_date - 1), valid_from = least(valid_from, current_date - 1) "
                               "where region = '{}'"),
        ):  # fmt: skip
            yield Change(kind, check, "none is active", sql.format(region))
    for row in spec.seed["factories"]:
        check, where = f"tariffs of {row['name']} today", f"where factory_id = '{row['id']}'"
        for kind, names, sql in (
            ("tariffs missing", "168 hours", f"delete from energy_tariffs {where}"),
            ("tariffs not active", "168 hours", f"update energy_tariffs set is_active = false {where}"),
            ("tariffs run out", "168 hours", f"update energy_tariffs set valid_from = '2001-01-01', valid_to = '2001-01-02' {where}"),
            ("two currencies", "CHF", f"update energy_tariffs set is_active = false {where} and is_time_of_use; insert into energy_tariffs "
                                      "(factory_id, name, rate_per_kwh, currency, is_time_of_use, start_hour, end_hour, applicable_days, valid_from) "
                                      f"values ('{row['id']}', 'm', 1, 'CHF', true, 3, 4, '{{0}}', current_date - 1)"),
        ):  # fmt: skip
            yield Change(kind, check, names, sql)
    marker = "completion marker"
    yield Change("marker missing", marker, "missing", "delete from enms.schema_version", alone=True)
    yield Change("marker of another version", marker, "0.0.1", "update enms.schema_version set version = '0.0.1'", alone=True)
    yield Change("marker of another spec", marker, "found version", "update enms.schema_version set spec_digest = 'm'", alone=True)
    for who in "database {database}", "role current_user", "role current_user in database {database}":
        yield Change("restoring mode", "restoring mode", "restore", f"alter {who} set timescaledb.restoring = on", alone=True)
