select f.id::text, f.name, f.location, f.timezone, f.grid_region from public.factories f
