select s.machine_id::text as machine from public.machine_status s
