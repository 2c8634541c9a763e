select m.id::text, m.factory_id::text as factory, m.name, m.type::text, m.rated_power_kw::float8, m.data_interval_seconds,
       m.mqtt_topic, m.is_active
from public.machines m
