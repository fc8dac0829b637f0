-- The recorded trace that a payment's request belongs to, so that what another process does for it, as after a crash, is
-- part of that trace. NULL for a payment whose trace is not recorded, which costs it nothing.
SET LOCAL lock_timeout = '3s';

ALTER TABLE payment
  ADD COLUMN traceparent text COLLATE "C",
  ADD CONSTRAINT payment_traceparent_check CHECK (octet_length(traceparent) = 55) NOT VALID;
ALTER TABLE payment_archive ADD COLUMN traceparent text COLLATE "C";
ALTER TABLE refund_archive ADD COLUMN traceparent text COLLATE "C";
CREATE OR REPLACE VIEW all_payment AS
  SELECT * FROM payment UNION ALL SELECT * FROM payment_archive UNION ALL SELECT * FROM refund_archive;
