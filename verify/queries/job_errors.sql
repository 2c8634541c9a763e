-- The newest failure of each job.
select distinct on (job_id) job_id, sqlerrcode as code, err_message as message
from timescaledb_information.job_errors
order by job_id, start_time desc
