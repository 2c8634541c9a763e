select version, spec_digest as digest, completed_at from enms.schema_version order by completed_at desc
