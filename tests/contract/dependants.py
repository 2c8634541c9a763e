"""Objects that the stack's own later files make on the core: they have to be made and to answer, in the shape that those files have."""

MADE = {
    "a sum over hours": """
        create function get_seu_energy(p_machines uuid[], p_start timestamptz, p_end timestamptz) returns numeric language sql as $$
            select coalesce(sum(total_energy_kwh), 0) from energy_readings_1hour
            where machine_id = any (p_machines) and bucket >= p_start and bucket < p_end $$""",
    "days of energy, production and temperature": """
        create function get_seu_daily_aggregates(p_machines uuid[], p_start date, p_end date)
        returns table (day date, energy_kwh numeric, production_count bigint, avg_machine_temp_c numeric) language plpgsql as $$
        begin
            return query
            select e.bucket::date, sum(e.total_energy_kwh), sum(p.total_production_count)::bigint, avg(v.avg_machine_temp_c)
            from energy_readings_1hour e
            left join production_data_1hour p on p.machine_id = e.machine_id and p.bucket = e.bucket
            left join environmental_data_1hour v on v.machine_id = e.machine_id and v.bucket = e.bucket
            where e.machine_id = any (p_machines) and e.bucket::date between p_start and p_end
            group by 1 order by 1;
        end $$""",
    "days with degree days": """
        create function get_seu_daily_aggregates_dd(p_machines uuid[])
        returns table (day date, energy_kwh numeric, heating numeric, cooling numeric) language sql as $$
            select r.time::date, sum(r.energy_kwh), max(d.heating_degree_days_18c), max(d.cooling_degree_days_18c)
            from energy_readings r
            left join production_data p on p.machine_id = r.machine_id and p.time = r.time
            left join environmental_data v on v.machine_id = r.machine_id and v.time = r.time
            left join environmental_degree_days_daily d on d.machine_id = r.machine_id and d.day = date_trunc('day', r.time)
            where r.machine_id = any (p_machines) and r.power_kw > 0 group by 1 $$""",
    "forecasts": """
        create table energy_forecasts (forecast_time timestamptz not null, machine_id uuid not null references machines (id) on delete cascade,
            model_type varchar(50) not null, predicted_power_kw numeric(10,3), unique (forecast_time, machine_id, model_type))""",
    "how good forecasts were": """
        create view forecast_accuracy as
        select f.forecast_time, m.name as machine_name, f.predicted_power_kw, e.avg_power_kw, abs(f.predicted_power_kw - e.avg_power_kw) as error_kw
        from energy_forecasts f join machines m on m.id = f.machine_id
        left join energy_readings_1min e on e.machine_id = f.machine_id and e.bucket = f.forecast_time""",
    "models": """
        create table model_performance_metrics (id uuid primary key default uuid_generate_v4(),
            machine_id uuid references machines (id) on delete cascade, model_name varchar(100), evaluated_at timestamptz default now())""",
    "the latest of each model": """
        create view v_latest_model_performance as
        select distinct on (p.machine_id, p.model_name) p.model_name, m.id as machine_id, m.name as machine_name, m.type as machine_type
        from model_performance_metrics p join machines m on m.id = p.machine_id order by p.machine_id, p.model_name, p.evaluated_at desc""",
    "targets of a factory": """
        create table energy_targets (id uuid primary key default uuid_generate_v4(), factory_id uuid references factories (id) on delete cascade,
            target_year integer, target_value numeric(15,2))""",
    "power from a baseline": """
        create function predict_power_from_baseline(p_machine_id uuid, p_features jsonb) returns numeric language plpgsql stable as $$
        declare
            v_baseline record;
            v_power numeric;
            v_name text;
        begin
            select b.intercept, b.coefficients, b.feature_names into v_baseline
            from energy_baselines b where b.machine_id = p_machine_id and b.is_active limit 1;
            v_power := v_baseline.intercept;
            foreach v_name in array v_baseline.feature_names loop
                v_power := v_power + (v_baseline.coefficients->>v_name)::numeric * coalesce((p_features->>v_name)::numeric, 0);
            end loop;
            return round(v_power, 3);
        end $$""",
    "predictions, kept": """
        create materialized view energy_predictions_realtime as
        select r.time, r.machine_id, r.power_kw, p.production_count, v.outdoor_temp_c, round(r.power_kw / m.rated_power_kw * 100, 1) as load_percent
        from energy_readings r join machines m on m.id = r.machine_id
        left join production_data p on p.machine_id = r.machine_id and p.time = r.time
        left join environmental_data v on v.machine_id = r.machine_id and v.time = r.time""",
    "sources of energy": "create table energy_sources (id uuid primary key default uuid_generate_v4(), name varchar(100) not null)",
    "a baseline's source": """
        alter table energy_baselines add constraint energy_baselines_energy_source_fkey
            foreign key (energy_source_id) references energy_sources (id) on delete restrict""",
}  # fmt: skip
ASKED = [
    "insert into energy_sources (name) values ('Electricity') returning 1",
    "insert into energy_baselines (machine_id, energy_source_id, model_name, training_start_date, training_end_date, training_samples,"
    " coefficients, intercept, feature_names) select '{m}', id, 'x', now(), now(), 2, '{{\"outdoor_temp_c\": 0.5}}', 3, '{{outdoor_temp_c}}'"
    " from energy_sources returning 1",
    "select get_seu_energy(array['{m}']::uuid[], now() - interval '1 day', now() + interval '1 hour')",
    "select count(*) from get_seu_daily_aggregates(array['{m}']::uuid[], current_date - 1, current_date)",
    "select count(*) from get_seu_daily_aggregates_dd(array['{m}']::uuid[])",
    "insert into energy_forecasts select bucket, machine_id, 'arima', avg_power_kw from energy_readings_1min"
    " on conflict (forecast_time, machine_id, model_type) do update set predicted_power_kw = excluded.predicted_power_kw returning 1",
    "select count(*) from forecast_accuracy where error_kw = 0",
    "insert into model_performance_metrics (machine_id, model_name) values ('{m}', 'x') returning 1",
    "select count(*) from v_latest_model_performance",
    "select 100 * predict_power_from_baseline('{m}', '{{\"outdoor_temp_c\": 4}}')",
    "select count(*) from energy_predictions_realtime",
]
