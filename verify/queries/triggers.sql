-- Without those that TimescaleDB itself puts on hypertables and PostgreSQL on tables with foreign keys, unless they do
-- not fire.
select t.tgrelid::regclass::text as relation, coalesce(c.conname, t.tgname)::text as name,
       case when t.tgisinternal then 'what enforces the foreign key' else pg_get_triggerdef(t.oid, true) end as definition,
       t.tgenabled::text as enabled
from pg_trigger t
join pg_class r on r.oid = t.tgrelid
join pg_proc p on p.oid = t.tgfoid
left join pg_constraint c on c.oid = t.tgconstraint and t.tgisinternal
where r.relnamespace in (select oid from pg_namespace where nspname in ('public', 'enms'))
  and (t.tgenabled <> 'O' or not t.tgisinternal and p.pronamespace not in (select oid from pg_namespace where nspname like '\_timescaledb\_%'))
