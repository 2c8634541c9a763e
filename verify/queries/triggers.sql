-- Without those that TimescaleDB itself puts on hypertables.
select t.tgrelid::regclass::text as relation, t.tgname::text as name,
       pg_get_triggerdef(t.oid, true) as definition, t.tgenabled::text as enabled
from pg_trigger t
join pg_class r on r.oid = t.tgrelid
join pg_proc p on p.oid = t.tgfoid
where not t.tgisinternal
  and r.relnamespace in (select oid from pg_namespace where nspname in ('public', 'enms'))
  and p.pronamespace not in (select oid from pg_namespace where nspname like '\_timescaledb\_%')
