"""Tables as the clients know them: columns in order, with types, what may not be NULL, and defaults."""

TABLES = {
    "factories": """
        id uuid not null default uuid_generate_v4(), name varchar(255) not null, location varchar(255), address text,
        timezone varchar(50) default 'UTC', contact_email varchar(255), contact_phone varchar(50),
        created_at timestamptz not null default now(), updated_at timestamptz not null default now(), is_active boolean default true,
        metadata jsonb default '{}'
    """,
    "machines": """
        id uuid not null default uuid_generate_v4(), factory_id uuid not null, name varchar(255) not null, description text,
        type machine_type not null, manufacturer varchar(255), model varchar(255), serial_number varchar(255), installation_date date,
        rated_power_kw numeric(10,2) not null, rated_voltage_v numeric(10,2), rated_current_a numeric(10,2),
        rated_frequency_hz numeric(5,2) default 50.0, location_in_factory varchar(255),
        data_interval_seconds integer not null default 10, mqtt_topic varchar(255), is_active boolean default true,
        is_critical boolean default false, created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(), metadata jsonb default '{}'
    """,
    "energy_readings": """
        time timestamptz not null, machine_id uuid not null, energy_type varchar(50) not null default 'electrical',
        power_kw numeric(10,3) not null, energy_kwh numeric(12,6) not null default 0, voltage_v numeric(10,2), current_a numeric(10,2),
        power_factor numeric(5,4), frequency_hz numeric(6,3), thd_voltage_percent numeric(6,3), thd_current_percent numeric(6,3),
        voltage_l1_v numeric(10,2), voltage_l2_v numeric(10,2), voltage_l3_v numeric(10,2), current_l1_a numeric(10,2),
        current_l2_a numeric(10,2), current_l3_a numeric(10,2), is_estimated boolean default false,
        quality_score numeric(3,2) default 1.0, source varchar(50) default 'sensor', metadata jsonb default '{}'
    """,
    "production_data": """
        time timestamptz not null, machine_id uuid not null, production_count integer default 0,
        production_count_good integer default 0, production_count_bad integer default 0, throughput_units_per_hour numeric(10,2),
        operating_mode operating_mode default 'idle', recipe_id varchar(100), batch_id varchar(100), product_id varchar(100),
        speed_percent numeric(5,2), target_speed_percent numeric(5,2), quality_score numeric(5,2), downtime_seconds integer default 0,
        downtime_reason varchar(255), operator_id varchar(100), shift varchar(50), metadata jsonb default '{}'
    """,
    "environmental_data": """
        time timestamptz not null, machine_id uuid not null, outdoor_temp_c numeric(5,2), indoor_temp_c numeric(5,2),
        machine_temp_c numeric(5,2), outdoor_humidity_percent numeric(5,2), indoor_humidity_percent numeric(5,2),
        pressure_bar numeric(10,3), pressure_setpoint_bar numeric(10,3), flow_rate_m3h numeric(10,3), supply_air_temp_c numeric(5,2),
        return_air_temp_c numeric(5,2), chilled_water_supply_temp_c numeric(5,2), chilled_water_return_temp_c numeric(5,2),
        cop numeric(5,2), vibration_mm_s numeric(8,4), metadata jsonb default '{}'
    """,
    "machine_status": """
        machine_id uuid not null, is_running boolean default false, current_mode operating_mode default 'offline',
        current_power_kw numeric(10,3) default 0, operating_hours_total numeric(12,2) default 0,
        energy_total_kwh numeric(15,3) default 0, production_total_units bigint default 0, last_reading_time timestamptz,
        last_production_time timestamptz, alert_level alert_level default 'normal', alert_message text, alert_timestamp timestamptz,
        health_score numeric(5,2) default 100.0, uptime_percent_24h numeric(5,2), availability_percent_24h numeric(5,2),
        last_updated timestamptz default now(), metadata jsonb default '{}'
    """,
    "energy_baselines": """
        id uuid not null default uuid_generate_v4(), machine_id uuid not null, model_name varchar(100) not null,
        model_type varchar(50) default 'linear_regression', model_version integer default 1, training_start_date timestamptz not null,
        training_end_date timestamptz not null, training_samples integer not null, coefficients jsonb not null,
        intercept numeric(15,6), feature_names text[] not null, r_squared numeric(5,4), rmse numeric(12,6), mae numeric(12,6),
        is_active boolean default true, created_at timestamptz default now(), trained_by varchar(100), metadata jsonb default '{}',
        energy_source_id uuid
    """,
    "anomalies": """
        id uuid not null default uuid_generate_v4(), machine_id uuid not null, detected_at timestamptz not null,
        anomaly_type varchar(100) not null, severity alert_level not null, metric_name varchar(100), metric_value numeric(15,6),
        expected_value numeric(15,6), deviation_percent numeric(8,2), deviation_std_dev numeric(8,2), detection_method varchar(100),
        confidence_score numeric(5,4), is_resolved boolean default false, resolved_at timestamptz, resolution_notes text,
        created_at timestamptz default now(), metadata jsonb default '{}'
    """,
    "energy_tariffs": """
        id uuid not null default uuid_generate_v4(), factory_id uuid not null, name varchar(255) not null, description text,
        rate_per_kwh numeric(10,6) not null, currency varchar(3) default 'USD', is_time_of_use boolean default false,
        start_hour integer, end_hour integer, applicable_days integer[], demand_charge_per_kw numeric(10,6), valid_from date not null,
        valid_to date, is_active boolean default true, created_at timestamptz default now(), metadata jsonb default '{}'
    """,
    "carbon_factors": """
        id uuid not null default uuid_generate_v4(), region varchar(255) not null, grid_name varchar(255),
        emission_factor_kg_co2_per_kwh numeric(10,6) not null, source varchar(255), valid_from date not null, valid_to date,
        is_active boolean default true, created_at timestamptz default now(), metadata jsonb default '{}'
    """,
    "audit_log": """
        id bigint not null default nextval('audit_log_id_seq'), timestamp timestamptz not null default now(), event_type varchar(100) not null,
        entity_type varchar(100), entity_id uuid, user_id varchar(100), system_component varchar(100), action varchar(50) not null,
        old_values jsonb, new_values jsonb, ip_address inet, user_agent text, metadata jsonb default '{}'
    """,
}

# The clients write these, so nothing in them may be stricter; what they leave out takes the default.
WRITTEN = ["energy_readings", "production_data", "environmental_data", "machine_status", "anomalies", "energy_baselines"]

ENUMS = {
    "machine_type": "compressor hvac motor pump injection_molding conveyor boiler other",
    "alert_level": "normal warning critical",
    "operating_mode": "idle running maintenance fault offline",
}


def split(columns: str) -> list[str]:
    """The declarations of columns, one by one; the comma in numeric(10,2) ends none."""
    return [" ".join(part.split()) for line in columns.split(",\n") for part in line.split(", ")]
