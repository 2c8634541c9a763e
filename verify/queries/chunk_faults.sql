-- Chunks of our hypertables, and of those that store our rollups, which lack a unique index or a row trigger of theirs, or
-- have what their hypertable has not.
with parents as (
    select h.id as hypertable, format('%I.%I', h.schema_name, h.table_name)::regclass as parent,
           format('%I.%I', coalesce(a.user_view_schema, h.schema_name), coalesce(a.user_view_name, h.table_name))::regclass as named
    from _timescaledb_catalog.hypertable h
    left join _timescaledb_catalog.continuous_agg a on a.mat_hypertable_id = h.id
    where coalesce(a.user_view_schema, h.schema_name) in ('public', 'enms')),
chunk as (
    select p.named, p.parent, i.inhrelid as id, c.relpersistence, c.relrowsecurity, c.relacl, c.relowner
    from parents p
    join pg_inherits i on i.inhparent = p.parent
    join pg_class c on c.oid = i.inhrelid and c.relkind = 'r'),
uniques as (
    select i.indrelid, x.relname, i.indisvalid and i.indisready as valid,
           array(select a.attname from unnest(i.indkey) with ordinality k (number, place)
                 join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number order by k.place) as columns
    from pg_index i
    join pg_class x on x.oid = i.indexrelid
    where i.indisunique and i.indrelid in (select parent from parents union all select id from chunk)),
triggers as (
    select t.tgrelid, t.tgname, t.tgenabled, t.tgtype & 1 = 1 as by_row
    from pg_trigger t
    join pg_proc f on f.oid = t.tgfoid and f.pronamespace not in (select oid from pg_namespace where nspname like '\_timescaledb\_%')
    where not t.tgisinternal and t.tgrelid in (select parent from parents union all select id from chunk))
select c.named::text as relation, c.id::regclass::text as object, 'lacks ' || k.relname as fault
from chunk c
join uniques k on k.indrelid = c.parent
where not exists (select from uniques o where o.indrelid = c.id and o.columns = k.columns and o.valid)
union all
select c.named::text, c.id::regclass::text, 'lacks ' || t.tgname
from chunk c
join triggers t on t.tgrelid = c.parent and t.by_row
where not exists (select from triggers o where o.tgrelid = c.id and o.tgname = t.tgname and o.tgenabled = t.tgenabled)
union all
select c.named::text, c.id::regclass::text, 'has trigger ' || t.tgname
from chunk c
join triggers t on t.tgrelid = c.id
where not exists (select from triggers o where o.tgrelid = c.parent and o.tgname = t.tgname)
union all
select p.named::text, p.parent::text, 'has trigger ' || t.tgname
from parents p
join triggers t on t.tgrelid = p.parent
where p.named <> p.parent
union all
select c.named::text, c.id::regclass::text, case when c.relpersistence <> 'p' then 'is unlogged' else 'has row security' end
from chunk c
where c.relpersistence <> 'p' or c.relrowsecurity
union all
-- By its number, as releases differ in how they keep its name.
select p.named::text, format('chunk %s', k.id), 'is frozen'
from _timescaledb_catalog.chunk k
join parents p on p.hypertable = k.hypertable_id
where k.status & 4 <> 0
union all
-- Grants follow those on the hypertable, or on the rollup.
select c.named::text, c.id::regclass::text, format('grants %s to %s', lower(x.privilege_type), coalesce(g.rolname, 'PUBLIC'))
from (select named, id, relacl, relowner from chunk
      union all
      select p.named, p.parent, s.relacl, s.relowner from parents p join pg_class s on s.oid = p.parent where p.named <> p.parent) c
cross join lateral aclexplode(c.relacl) x
left join pg_roles g on g.oid = x.grantee
where x.grantee <> c.relowner
  and not exists (select from pg_class n cross join lateral aclexplode(n.relacl) y
                  where n.oid = c.named and y.grantee = x.grantee and y.privilege_type = x.privilege_type)
