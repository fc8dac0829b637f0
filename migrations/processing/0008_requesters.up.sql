-- Who asked for a payment's cancel, or for a refund: the name of an API key, with the operator's where a command line
-- named one. NULL where nobody asked, and for what an older version wrote.
SET LOCAL lock_timeout = '3s';

ALTER TABLE payment
  ADD COLUMN requested_by text COLLATE "C",
  ADD CONSTRAINT payment_requested_by_check CHECK (octet_length(requested_by) BETWEEN 1 AND 255) NOT VALID;
ALTER TABLE payment_archive ADD COLUMN requested_by text COLLATE "C";
ALTER TABLE refund_archive ADD COLUMN requested_by text COLLATE "C";
CREATE OR REPLACE VIEW all_payment AS
  SELECT * FROM payment UNION ALL SELECT * FROM payment_archive UNION ALL SELECT * FROM refund_archive;
