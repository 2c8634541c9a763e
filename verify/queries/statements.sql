-- Creating pg_stat_statements succeeds without the library; only reading it fails.
select count(*) as readable from (select from pg_stat_statements limit 1) s
