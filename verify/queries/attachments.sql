-- Tables that inherit from ours, whose rows then show in ours, and publications of changes or deletions that PostgreSQL
-- refuses from then on, for want of a key to name a row by.
select i.inhparent::regclass::text as relation, 'table ' || i.inhrelid::regclass || ' inherits from it' as what
from pg_inherits i
join pg_class c on c.oid = i.inhparent
join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('public', 'enms') and c.relkind = 'r'
  and not exists (select from _timescaledb_catalog.hypertable h where h.schema_name = n.nspname and h.table_name = c.relname)
union
select c.oid::regclass::text, format('publication %I refuses its changes', p.pubname)
from pg_publication p
join pg_publication_tables t on t.pubname = p.pubname
join pg_namespace n on n.nspname = t.schemaname
join pg_class c on c.relnamespace = n.oid and c.relname = t.tablename
where (p.pubupdate or p.pubdelete) and n.nspname in ('public', 'enms')
  and (c.relreplident = 'n'
       or c.relreplident = 'd' and not exists (select from pg_constraint k where k.conrelid = c.oid and k.contype = 'p'))
