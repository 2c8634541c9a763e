-- What of ours this role may not do. Names are joined, as to_regclass would fail in a schema that the role may not use.
select coalesce(array_agg(t.name order by t.name) filter (where not t.readable), '{}') as hidden,
       has_database_privilege(current_database(), 'temporary') as temporary,
       has_schema_privilege('public', 'usage') as usage,
       coalesce((select has_sequence_privilege(c.oid, 'usage, select') from pg_class c join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname = 'public' and c.relname = 'audit_log_id_seq'), true) as numbers,
       (select pg_has_role(d.datdba, 'member') from pg_database d where d.datname = current_database()) as reasons,
       coalesce(bool_and(t.writable), true) as plant
from (
    select replace(n.nspname || '.', 'public.', '') || c.relname as name,
           has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') as readable,
           -- LOCK TABLE asks for more than INSERT.
           o.plant is null or has_table_privilege(c.oid, 'insert')
               and (o.plant = 'insert' or has_table_privilege(c.oid, 'update, delete, truncate')) as writable
    from (values ('enms', 'schema_version', null), ('public', 'factories', 'insert'), ('public', 'machines', 'insert'),
                 ('public', 'machine_status', null), ('public', 'energy_tariffs', 'insert'), ('public', 'carbon_factors', 'insert'),
                 ('public', 'energy_readings', 'lock'), ('public', 'production_data', 'lock'),
                 ('public', 'environmental_data', null), ('public', 'pg_stat_statements', null)) o (schema, name, plant)
    join pg_namespace n on n.nspname = o.schema
    join pg_class c on c.relnamespace = n.oid and c.relname = o.name) t
