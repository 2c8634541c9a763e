"""The speed benchmark: what the schema costs over plain PostgreSQL, as ratios that any machine can repeat."""
