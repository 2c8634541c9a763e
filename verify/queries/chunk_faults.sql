-- Chunks that lack a unique index or a row trigger of their hypertable, or on which it is not in force.
with chunk as (
    select h.schema_name, h.table_name, i.inhparent as parent, i.inhrelid as id
    from pg_inherits i
    join pg_class p on p.oid = i.inhparent
    join pg_namespace n on n.oid = p.relnamespace
    join _timescaledb_catalog.hypertable h on h.schema_name = n.nspname and h.table_name = p.relname
    join pg_class c on c.oid = i.inhrelid and c.relkind = 'r'
    where n.nspname in ('public', 'enms')),
uniques as (
    select i.indrelid, x.relname, i.indisvalid and i.indisready as valid,
           array(select a.attname from unnest(i.indkey) with ordinality k (number, place)
                 join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number order by k.place) as columns
    from pg_index i
    join pg_class x on x.oid = i.indexrelid
    where i.indisunique and i.indrelid in (select parent from chunk union all select id from chunk))
select c.parent::regclass::text as relation, c.id::regclass::text as chunk, k.relname::text as lacks
from chunk c
join uniques k on k.indrelid = c.parent
where not exists (select from uniques o where o.indrelid = c.id and o.columns = k.columns and o.valid)
union all
select c.parent::regclass::text, c.id::regclass::text, t.tgname::text
from chunk c
join pg_trigger t on t.tgrelid = c.parent and t.tgtype & 1 = 1 and not t.tgisinternal
join pg_proc p on p.oid = t.tgfoid and p.pronamespace not in (select oid from pg_namespace where nspname like '\_timescaledb\_%')
where not exists (select from pg_trigger o where o.tgrelid = c.id and o.tgname = t.tgname and o.tgenabled = t.tgenabled)
