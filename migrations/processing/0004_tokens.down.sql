SET LOCAL lock_timeout = '3s';

DROP VIEW all_attempt;
ALTER TABLE attempt_archive DROP COLUMN card_token;
ALTER TABLE attempt DROP COLUMN card_token;
CREATE VIEW all_attempt AS
  SELECT * FROM attempt
  UNION ALL SELECT payment_id, asked_at, call, answered_at, answer, detail FROM attempt_archive;
