select n.nspname::text as name, pg_get_userbyid(n.nspowner) as owner from pg_namespace n
