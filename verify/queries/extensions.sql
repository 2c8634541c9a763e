select a.name, a.installed_version as installed, a.default_version as shipped
from pg_available_extensions a
