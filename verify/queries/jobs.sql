-- From jobs, as job_stats leaves out jobs that never ran in releases before 2.22. The target of a policy on a rollup
-- is the rollup, not the hypertable that stores it.
select j.job_id, j.proc_schema::text || '.' || j.proc_name as procedure, j.proc_name::text as kind, j.owner::text as owner,
       j.scheduled, extract(epoch from j.schedule_interval)::bigint as every_seconds,
       coalesce(quote_ident(a.user_view_schema) || '.' || quote_ident(a.user_view_name),
                quote_ident(h.schema_name) || '.' || quote_ident(h.table_name))::regclass::text as target,
       extract(epoch from (j.config ->> 'start_offset')::interval)::bigint as start_seconds,
       extract(epoch from (j.config ->> 'end_offset')::interval)::bigint as end_seconds,
       (j.config ->> 'buckets_per_batch')::integer as batch,
       extract(epoch from (j.config ->> 'compress_after')::interval)::bigint as compress_seconds,
       extract(epoch from (j.config ->> 'drop_after')::interval)::bigint as drop_seconds,
       nullif(j.config - array['mat_hypertable_id', 'hypertable_id', 'start_offset', 'end_offset', 'buckets_per_batch',
                               'compress_after', 'drop_after'], '{}')::text as more,
       extract(epoch from j.max_runtime)::bigint as longest_seconds, j.max_retries as retries,
       case when isfinite(j.next_start) then j.next_start when j.next_start > now() then timestamptz '9999-01-01' end as next_start,
       s.last_run_status as status,
       nullif(s.last_run_started_at, '-infinity') as last_run,
       nullif(s.last_successful_finish, '-infinity') as last_success,
       s.total_runs as runs
from timescaledb_information.jobs j
left join timescaledb_information.job_stats s using (job_id)
cross join lateral (select coalesce(j.config ->> 'mat_hypertable_id', j.config ->> 'hypertable_id')::integer as hypertable) c
left join _timescaledb_catalog.continuous_agg a on a.mat_hypertable_id = c.hypertable
left join _timescaledb_catalog.hypertable h on h.id = c.hypertable
