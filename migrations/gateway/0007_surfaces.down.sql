SET LOCAL lock_timeout = '3s';

DO $$
BEGIN
  IF current_schema() = 'gateway'
     AND obj_description(to_regnamespace('payment_schema'), 'pg_namespace') = 'Paysaga: views over gateway' THEN
    DROP VIEW payment_schema."user", payment_schema.payment_method, payment_schema.payment_request;
    DROP SCHEMA payment_schema;
  END IF;
END
$$;
DROP TABLE demo_payment_request, demo_payment_method, demo_user, transaction_user;
