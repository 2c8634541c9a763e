-- Functions that no extension brought.
select replace(p.pronamespace::regnamespace::text || '.', 'public.', '') || p.proname as name,
       pg_get_function_arguments(p.oid) as arguments, pg_get_function_result(p.oid) as result,
       l.lanname::text as language, p.provolatile::text as volatility, p.proparallel::text as parallel,
       p.proisstrict as strict, p.proleakproof as leakproof, p.prosecdef as definer, coalesce(p.proconfig, '{}') as config,
       pg_get_userbyid(p.proowner) as owner, p.prosrc as body
from pg_proc p
join pg_language l on l.oid = p.prolang
where p.pronamespace in (select oid from pg_namespace where nspname in ('public', 'enms'))
  and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
