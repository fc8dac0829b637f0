SET LOCAL lock_timeout = '3s';

-- A view loses no column: those of payments are made anew.
DO $$
DECLARE
  information text := pg_get_viewdef('all_payment_information'::regclass);
  actual      text := pg_get_viewdef('actual_payment_information'::regclass);
BEGIN
  DROP VIEW actual_payment_information, all_payment_information, all_payment;
  ALTER TABLE payment DROP COLUMN surface, DROP COLUMN surface_details, DROP COLUMN events;
  ALTER TABLE payment_archive DROP COLUMN surface, DROP COLUMN surface_details, DROP COLUMN events;
  CREATE VIEW all_payment AS SELECT * FROM payment UNION ALL SELECT * FROM payment_archive;
  EXECUTE 'CREATE VIEW all_payment_information AS ' || information;
  EXECUTE 'CREATE VIEW actual_payment_information AS ' || actual;
END
$$;
