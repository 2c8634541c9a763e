-- Queries for Grafana panels, by a PostgreSQL data source whose role is a member of enms_monitor. The line above each says
-- which panel shows it. Set the query's Format to Time series where it says so, else to Table; a bar gauge needs Value
-- options, Show: All values; the time series need a range of eight days. Values are in bytes and seconds: set the unit
-- of the field, and Grafana writes GB or days.

-- Stat: size of the database
select database_bytes from v_ops_server;

-- Bar gauge: bytes by table and rollup
select relation, total_bytes from v_ops_sizes where kind <> 'table' order by total_bytes desc;

-- Table: what compression saved
select relation, chunks, compressed_chunks, before_compression_bytes, after_compression_bytes, saved_percent
from v_ops_sizes where compressed_chunks > 0 order by before_compression_bytes desc;

-- Table: age of the newest reading, late machines first
select factory_name, machine_name, last_reading, age_seconds, late::integer as late
from v_ops_freshness order by late desc, age_seconds desc nulls first;

-- Stat with an alert above 0: machines that are late
select count(*) filter (where late) as late from v_ops_freshness;

-- Time series, bars: energy readings a day by machine
select day::timestamp at time zone 'UTC' as time, factory_name || ' / ' || machine_name as metric, energy_readings as value
from v_ops_ingest order by 1, 2;

-- Time series: part of the readings that were due, in percent
select day::timestamp at time zone 'UTC' as time, factory_name || ' / ' || machine_name as metric,
       100.0 * energy_readings / nullif(expected_energy_readings, 0) as value
from v_ops_ingest order by 1, 2;

-- Table: jobs, those that are not well first
select job_id, kind, target, state, last_success, next_start, failures
from v_ops_jobs order by healthy, job_id;

-- Stat with an alert above 0: jobs that are not well
select count(*) as unwell from v_ops_jobs where not healthy;

-- Table: statements that took the most time
select statement, role_name, calls, total_ms, mean_ms, max_ms from v_ops_statements order by total_ms desc limit 10;

-- Bar gauge: size in a year
select relation, bytes_in_a_year from v_ops_disk_forecast order by bytes_in_a_year desc nulls last;

-- Stat: size of the whole database in a year
select sum(bytes_in_a_year) as bytes_in_a_year from v_ops_disk_forecast;
