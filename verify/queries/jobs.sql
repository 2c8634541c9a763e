-- From jobs, as job_stats leaves out jobs that never ran in releases before 2.22, and lists one twice while it has a
-- parallel worker. The target of a policy on a rollup is the rollup, not the hypertable that stores it. Of jobs of the
-- user's own, whose configuration may hold anything, only the name is read.
select distinct on (j.job_id)
       j.job_id, j.proc_schema::text || '.' || j.proc_name as procedure, j.proc_name::text as kind, j.owner::text as owner,
       j.scheduled, extract(epoch from j.schedule_interval)::bigint as every_seconds, p.target,
       extract(epoch from (p.config ->> 'start_offset')::interval)::bigint as start_seconds,
       extract(epoch from (p.config ->> 'end_offset')::interval)::bigint as end_seconds,
       (p.config ->> 'buckets_per_batch')::integer as batch,
       p.config ->> 'refresh_newest_first' is distinct from 'false' as newest_first,
       extract(epoch from (p.config ->> 'compress_after')::interval)::bigint as compress_seconds,
       extract(epoch from (p.config ->> 'drop_after')::interval)::bigint as drop_seconds,
       nullif(p.config - array['mat_hypertable_id', 'hypertable_id', 'start_offset', 'end_offset', 'buckets_per_batch',
                               'refresh_newest_first', 'compress_after', 'drop_after'], '{}')::text as more,
       extract(epoch from j.max_runtime)::bigint as longest_seconds, j.max_retries as retries,
       case when isfinite(j.next_start) then j.next_start when j.next_start > now() then timestamptz '9999-01-01' end as next_start,
       s.last_run_status as status, s.job_status = 'Running' as running,
       nullif(s.last_run_started_at, '-infinity') as last_run,
       nullif(s.last_successful_finish, '-infinity') as last_success
from timescaledb_information.jobs j
left join timescaledb_information.job_stats s using (job_id)
left join lateral (
    -- Of ours alone, so that the casts meet nothing else.
    select j.config, coalesce(v.name, t.name) as target
    from (select nullif(coalesce(j.config ->> 'mat_hypertable_id', j.config ->> 'hypertable_id'), '') as hypertable
          where j.proc_schema::text like '\_timescaledb\_%' offset 0) c
    left join lateral (select format('%I.%I', a.user_view_schema, a.user_view_name)::regclass::text as name
                       from _timescaledb_catalog.continuous_agg a
                       where a.mat_hypertable_id::text = c.hypertable and a.user_view_schema in ('public', 'enms')) v on true
    left join lateral (select format('%I.%I', h.schema_name, h.table_name)::regclass::text as name
                       from _timescaledb_catalog.hypertable h
                       where h.id::text = c.hypertable and h.schema_name in ('public', 'enms')) t on true
    where coalesce(v.name, t.name) is not null) p on true
order by j.job_id
