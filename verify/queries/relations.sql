-- Tables, views and sequences that no extension brought.
select c.oid::regclass::text as name, c.relkind::text as kind, c.relpersistence::text as persistence,
       pg_get_userbyid(c.relowner) as owner, coalesce(c.reloptions, '{}') as options,
       c.relrowsecurity as row_security,
       (select format('%s, by %s from %s to %s, start %s%s', format_type(s.seqtypid, null), s.seqincrement, s.seqmin, s.seqmax, s.seqstart,
                      case when s.seqcycle then ', cycle' else '' end)
        from pg_sequence s where s.seqrelid = c.oid) as counts,
       (select format('%s.%s', d.refobjid::regclass, a.attname) from pg_depend d
        join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
        where d.objid = c.oid and d.classid = 'pg_class'::regclass and d.deptype = 'a' and c.relkind = 'S') as owned_by,
       array(select r.rulename::text from pg_rewrite r where r.ev_class = c.oid and r.rulename <> '_RETURN') as rules
from pg_class c
where c.relnamespace in (select oid from pg_namespace where nspname in ('public', 'enms'))
  and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
