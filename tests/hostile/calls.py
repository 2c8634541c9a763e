"""Hostile arguments of the functions that clients call, and writes to what can only be read."""

from collections.abc import Iterator

from hostile.case import FACTORY, MACHINE, UNKNOWN, Call, Statement

START, END = "2026-11-01", "2026-11-02"
ARGUMENTS = {
    "calculate_sec": "p_machine_id", "calculate_peak_demand": "p_machine_id", "calculate_load_factor": "p_machine_id",
    "calculate_energy_cost": "p_machine_id p_factory_id", "calculate_carbon_intensity": "p_machine_id p_region", "calculate_all_kpis": "p_machine_id",
    "get_machine_operating_hours": "p_machine_id", "get_factory_summary": "p_factory_id",
}  # fmt: skip
# The last argument of two functions may be left out.
OPTIONAL = {("calculate_energy_cost", "p_factory_id"), ("calculate_carbon_intensity", "p_region")}
GOOD = {"p_machine_id": MACHINE, "p_factory_id": FACTORY, "p_region": "DE", "p_start_time": START, "p_end_time": END}
NO_TIMES = [
    ("infinity", "22023", "is infinite"), ("-infinity", "22023", "is infinite"), ("0000-01-01", "22008", "0000-01-01"),
    ("294277-01-01", "22008", "294277-01-01"),
    ("soon", "22007", "timestamp with time zone"), ("2026-11-01 00:00 Mars/Olympus", "22023", 'time zone "mars/olympus" not recognized'),
]  # fmt: skip
BAD = {
    "p_machine_id": [
        (None, "22023", "p_machine_id is NULL"), (UNKNOWN, "P0002", f"unknown machine {UNKNOWN} (p_machine_id)"),
        ("Compressor-1", "22P02", "type uuid"),
        ("' or true --", "22P02", "type uuid"),
    ],
    "p_factory_id": [
        (None, "22023", "p_factory_id is NULL"), (UNKNOWN, "P0002", f"unknown factory {UNKNOWN} (p_factory_id)"), ("", "22P02", "type uuid"),
    ],
    "p_region": [
        ("", "P0002", 'unknown region "" (p_region)'), ("'; drop table machines; --", "P0002", "(p_region)"),
        ("x" * 10_000_000, "P0002", "(p_region)"),
    ],
    "p_start_time": [
        (None, "22023", "p_start_time is NULL"),
        *((value, state, f"p_start_time {names}" if state == "22023" and "is" in names else names) for value, state, names in NO_TIMES),
        (END, "22023", f"is not after p_start_time {END}"), ("2026-11-03", "22023", "is not after p_start_time 2026-11-03"),
        ("4713-01-01 BC", "22023", "p_start_time 4713-01-01 00:00:00+00 BC is not in the years 1 to 9999"),
        ("9999-12-31", "22023", "is not after p_start_time 9999-12-31"),
    ],
    "p_end_time": [
        (None, "22023", "p_end_time is NULL"),
        *((value, state, f"p_end_time {names}" if state == "22023" and "is" in names else names) for value, state, names in NO_TIMES),
        (START, "22023", f"p_end_time {START} 00:00:00+00 is not after p_start_time"),
        ("1970-01-01", "22023", "p_end_time 1970-01-01 00:00:00+00 is not after"),
        ("10000-01-02", "22023", "p_end_time 10000-01-02 00:00:00+00 is not in the years 1 to 9999"),
        ("294276-12-31", "22023", "p_end_time 294276-12-31"),
    ],
}  # fmt: skip
READ_ONLY = (
    "energy_readings_1min energy_readings_15min energy_readings_1hour energy_readings_1day energy_by_carrier_1min energy_by_carrier_1hour "
    "production_data_1min production_data_15min production_data_1hour production_data_1day environmental_data_1min environmental_data_15min "
    "environmental_data_1hour environmental_degree_days_daily v_active_anomalies v_baseline_compliance v_carbon_emissions_tracking v_current_hour_metrics "
    "v_energy_comparison_daily v_energy_trend_30d v_factory_dashboard v_latest_energy_readings v_machines_current_status v_machines_detail "
    "v_monthly_cost_breakdown v_power_trend_24h v_today_summary v_week_summary "
    "v_ops_server v_ops_sizes v_ops_ingest v_ops_freshness v_ops_jobs v_ops_statements v_ops_disk_forecast"
).split()
# Views of the plant's data that have no machine_id, by what they have instead; those on the database have neither.
OTHER_KEYS = {"v_factory_dashboard": "factory_id", **dict.fromkeys("v_ops_server v_ops_sizes v_ops_jobs v_ops_statements v_ops_disk_forecast".split())}


def calls() -> Iterator[Call]:
    """Each argument of each function with each value that it can't have."""
    for function, own in ARGUMENTS.items():
        for argument in [*own.split(), "p_start_time", "p_end_time"]:
            for value, state, names in BAD[argument]:
                if not (value is None and (function, argument) in OPTIONAL):
                    yield Call(function, argument, value, state, names)


def misuse() -> Iterator[Statement]:
    """Calls that fit no function, helpers called by hand, and writes to rollups and views."""
    for function, own in ARGUMENTS.items():
        good = ", ".join(f"'{GOOD[name]}'" for name in own.split()[:1])
        yield Statement(f"{function} without a range", f"select {function}({good})", "42883", f"function {function}(unknown) does not exist")
        yield Statement(
            f"{function} of numbers", f"select {function}({good}, 1, 2)", "42883", f"function {function}(unknown, integer, integer) does not exist"
        )
        yield Statement(f"{function} by ingest", f"select {function}({good}, '{START}', '{END}')", "42501", f"function {function}", "enms_ingest")
    for function, given, names in (
        ("enms.require_one_currency", "'EUR', 'USD'", "the range is priced in EUR and in USD"),
        ("enms.require_range", "null, null", "p_start_time is NULL"),
        ("enms.require_machine", "null", "p_machine_id is NULL"), ("enms.require_factory", "null", "p_factory_id is NULL"),
    ):  # fmt: skip
        yield Statement(f"{function}({given})", f"select {function}({given})", "22023", names, covers=function)
    for view in READ_ONLY:
        # The one view that PostgreSQL would write through ends at its rollup.
        written = "energy_readings_1min" if view == "v_power_trend_24h" else view
        yield Statement(f"{view} written to", f"insert into {view} default values", "55000", f'cannot insert into view "{written}"', covers=view)
        yield Statement(f"{view} deleted from by a reader", f"delete from {view}", "55000", f'cannot delete from view "{written}"', "enms_reader")
        if column := OTHER_KEYS.get(view, "machine_id"):
            yield Statement(f"{view} asked for a {column} that is none", f"select * from {view} where {column} = 'Compressor-1'", "22P02", "type uuid")
