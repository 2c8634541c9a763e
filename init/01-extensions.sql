-- Extensions the schema stands on, and the shape of the server it needs.
-- Running this file again changes nothing.

\set ON_ERROR_STOP on
set client_min_messages = warning;

-- timescaledb must be created in a session that has not used it yet, so it comes first.
create extension if not exists timescaledb;
create extension if not exists "uuid-ossp";
create extension if not exists pg_stat_statements;
create extension if not exists tablefunc;

-- pg_stat_statements can be created without being preloaded and then fails when it is read;
-- a boot that would leave slow queries unrecorded stops here instead.
do $$
begin
    perform from pg_stat_statements limit 1;
exception
    when object_not_in_prerequisite_state then
        raise exception 'pg_stat_statements is not in shared_preload_libraries'
            using hint = 'Start the server with this project''s postgresql.conf as its config_file.';
end
$$;

do $$
begin
    if current_setting('server_version_num')::integer < 150000 then
        raise exception 'PostgreSQL % is too old', current_setting('server_version')
            using hint = 'Use PostgreSQL 15 to 18.';
    end if;
    if (select string_to_array(regexp_replace(extversion, '[^0-9.].*$', ''), '.')::integer[] < array[2, 19]
        from pg_extension where extname = 'timescaledb') then
        raise exception 'TimescaleDB % is too old', (select extversion from pg_extension where extname = 'timescaledb')
            using hint = 'Use TimescaleDB 2.19 or newer.';
    end if;
end
$$;
