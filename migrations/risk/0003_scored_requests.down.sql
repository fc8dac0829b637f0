SET LOCAL lock_timeout = '3s';

DO $$
BEGIN
  IF current_schema() = 'risk'
     AND obj_description(to_regnamespace('risk_schema'), 'pg_namespace') = 'Paysaga: views over risk' THEN
    DROP VIEW risk_schema.auth_request;
    DROP SCHEMA risk_schema;
  END IF;
END
$$;
DROP TABLE scored_request;
