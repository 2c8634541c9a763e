-- The server, this session, and what it may do.
select
    current_setting('server_version') as version,
    current_setting('server_version_num')::integer / 10000 as major,
    current_database() as database,
    session_user as role,
    pg_is_in_recovery() as standby,
    coalesce(current_setting('timescaledb.license', true), '') as license,
    pg_encoding_to_char((select encoding from pg_database where datname = current_database())) as encoding,
    (select d.datcollversion <> pg_database_collation_actual_version(d.oid) from pg_database d where d.datname = current_database()) as collation_moved,
    coalesce(current_setting('timescaledb.restoring', true), 'off') as restoring,
    case when pg_has_role('pg_read_all_settings', 'usage') then current_setting('config_file') end as config_file,
    pg_postmaster_start_time() as started,
    now() as now,
    pg_has_role('pg_read_all_settings', 'usage') as reads_settings,
    pg_has_role('pg_read_all_stats', 'usage') as reads_activity,
    has_table_privilege('pg_file_settings', 'select')
        and has_function_privilege('pg_show_all_file_settings()', 'execute') as reads_files
