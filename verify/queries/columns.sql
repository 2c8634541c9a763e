select a.attrelid::regclass::text as relation, a.attname::text as name,
       format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as not_null,
       pg_get_expr(d.adbin, d.adrelid) as default_value,
       (select c.collname::text from pg_collation c where c.oid = a.attcollation and a.attcollation <> t.typcollation) as collation,
       a.attgenerated <> '' as generated, a.attidentity <> '' as identity
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_type t on t.oid = a.atttypid
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where c.relnamespace in (select oid from pg_namespace where nspname in ('public', 'enms'))
  and c.relkind in ('r', 'p', 'v', 'm') and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum
