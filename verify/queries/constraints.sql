-- PostgreSQL 18 lists NOT NULL here too; the columns tell of it, except that one may be not validated.
select c.conrelid::regclass::text as relation, c.conname::text as name,
       pg_get_constraintdef(c.oid, true) as definition, c.convalidated as valid
from pg_constraint c
join pg_class r on r.oid = c.conrelid
where r.relnamespace in (select oid from pg_namespace where nspname in ('public', 'enms'))
  and c.contype <> 't' and not (c.contype = 'n' and c.convalidated)
