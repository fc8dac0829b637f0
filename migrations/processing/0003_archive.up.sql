-- Finished payments leave `payment` for tables with a partition a UTC month, which are never updated and can be dropped as
-- a whole; a refund goes with its payment, into the same month. An id is a UUID of version 7, so its month is a range of
-- ids: a payment is found in its month alone. The mover makes the months. Columns are those of the live tables in the same
-- order, and stay so: whatever adds a column to a live table adds it to its archive and to the views.
CREATE TABLE payment_archive (LIKE payment, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE refund_archive (LIKE payment, PRIMARY KEY (refund_of, id)) PARTITION BY RANGE (refund_of);
CREATE INDEX refund_archive_id_idx ON refund_archive (id);

-- `filed_under` is the payment, also of a refund's attempt.
CREATE TABLE attempt_archive (
  filed_under uuid NOT NULL, LIKE attempt, PRIMARY KEY (filed_under, payment_id, asked_at)
) PARTITION BY RANGE (filed_under);
CREATE INDEX attempt_archive_payment_idx ON attempt_archive (payment_id, asked_at);

-- Payments below it are gone: their months were dropped. None of them is ever claimed again. Written before a month is
-- dropped; at most one row.
CREATE TABLE archive_floor (
  one   boolean PRIMARY KEY DEFAULT true CHECK (one),
  below uuid NOT NULL
);

-- Live and archived ones as one. A row moves in one transaction, so a statement sees it exactly once.
CREATE VIEW all_payment AS
  SELECT * FROM payment UNION ALL SELECT * FROM payment_archive UNION ALL SELECT * FROM refund_archive;
CREATE VIEW all_attempt AS
  SELECT * FROM attempt
  UNION ALL SELECT payment_id, asked_at, call, answered_at, answer, detail FROM attempt_archive;
