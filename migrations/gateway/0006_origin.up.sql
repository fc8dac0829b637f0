-- Payments that were asked for on the surface of an older system. What that surface shows besides lies beside them, as
-- it was written. `events` counts what the outbox has had of a payment, so that the next event has the number after it.
SET LOCAL lock_timeout = '3s';

ALTER TABLE payment
  ADD COLUMN surface text COLLATE "C",
  ADD COLUMN surface_details json,
  ADD COLUMN events bigint NOT NULL DEFAULT 1,
  ADD CONSTRAINT payment_surface_check CHECK (surface IN ('cards', 'transactions', 'payments')) NOT VALID,
  ADD CONSTRAINT payment_surface_details_check
    CHECK (json_typeof(surface_details) = 'object' AND octet_length(surface_details::text) <= 8192) NOT VALID,
  ADD CONSTRAINT payment_surface_presence_check CHECK ((surface IS NULL) = (surface_details IS NULL)) NOT VALID,
  ADD CONSTRAINT payment_events_check CHECK (events BETWEEN 0 AND 9223372036854775806) NOT VALID;
ALTER TABLE payment_archive
  ADD COLUMN surface text COLLATE "C", ADD COLUMN surface_details json, ADD COLUMN events bigint NOT NULL DEFAULT 1;
CREATE OR REPLACE VIEW all_payment AS SELECT * FROM payment UNION ALL SELECT * FROM payment_archive;
