-- The newest number that the audit log has, and the last that its sequence gave.
select (select max(a.id) from public.audit_log a) as newest,
       (select s.last_value from pg_sequences s where s.schemaname = 'public' and s.sequencename = 'audit_log_id_seq') as given
