-- Regions with a factor that is valid today.
select c.region
from public.carbon_factors c
where c.is_active and c.valid_from <= current_date and (c.valid_to is null or c.valid_to >= current_date)
group by 1
