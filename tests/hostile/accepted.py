"""Hostile text that is no error: it is stored as it stands, read back the same, and does nothing."""

from hostile.case import Value

SQL = "'); drop table machines; select pg_sleep(9); --"
TEXT = [
    SQL, "\"'`\\", "$$ $1 %s %(x)s {0} ${jndi:x}", "' or '1'='1", "<script>alert(1)</script>", "\\N", "\\.", "NULL", "../../etc/passwd",
    "\u202edlrow\u202c \u200b\ufeff", "Zürich 工厂 🏭", "a\r\nb\tc\x07\x1b[31m", "=cmd|'/c calc'!A1", "0x27; shutdown --",
]  # fmt: skip
# A line of ten megabytes: the fields without a limit of their own hold notes and payloads, which PostgreSQL stores out of line.
LONG = "ä'\"\\x" * 1_666_667

ACCEPTED = [
    *(Value(table, column, text, "", "") for text in TEXT for table, column in (("machines", "name"), ("energy_readings", "energy_type"))),
    *(Value(table, column, SQL, "", "")
      for table, column in (("factories", "name"), ("energy_tariffs", "name"), ("carbon_factors", "region"), ("energy_baselines", "model_name"),
                            ("anomalies", "anomaly_type"), ("production_data", "batch_id"), ("audit_log", "user_id"),
                            ("machine_status", "alert_message"))),
    *(Value(table, column, LONG, "", "")
      for table, column in (("factories", "address"), ("machines", "description"), ("energy_tariffs", "description"),
      ("anomalies", "resolution_notes"),
                            ("machine_status", "alert_message"), ("audit_log", "user_agent"))),
    *(Value(table, "metadata", f'{{"note": "{"x" * 10_000_000}"}}', "", "") for table in ("energy_readings", "machines")),
    Value("energy_baselines", "feature_names", "{" + ",".join(f"f{n}" for n in range(100_000)) + "}", "", ""),
]  # fmt: skip
