DROP TABLE external_claim;
-- A view loses no column: those of payments are made anew.
DO $$
DECLARE
  information text := pg_get_viewdef('all_payment_information'::regclass);
  actual      text := pg_get_viewdef('actual_payment_information'::regclass);
BEGIN
  DROP VIEW actual_payment_information, all_payment_information, all_payment;
  ALTER TABLE payment DROP COLUMN api_key_id;
  ALTER TABLE payment_archive DROP COLUMN api_key_id;
  CREATE VIEW all_payment AS SELECT * FROM payment UNION ALL SELECT * FROM payment_archive;
  EXECUTE 'CREATE VIEW all_payment_information AS ' || information;
  EXECUTE 'CREATE VIEW actual_payment_information AS ' || actual;
END
$$;
DROP TABLE api_key;
