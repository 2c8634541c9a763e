select a.name, a.installed_version as installed, a.default_version as shipped, e.extnamespace::regnamespace::text as schema
from pg_available_extensions a
left join pg_extension e on e.extname = a.name
