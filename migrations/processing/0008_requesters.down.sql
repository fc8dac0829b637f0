SET LOCAL lock_timeout = '3s';

DROP VIEW all_payment;
ALTER TABLE refund_archive DROP COLUMN requested_by;
ALTER TABLE payment_archive DROP COLUMN requested_by;
ALTER TABLE payment DROP COLUMN requested_by;
CREATE VIEW all_payment AS
  SELECT * FROM payment UNION ALL SELECT * FROM payment_archive UNION ALL SELECT * FROM refund_archive;
