-- The bank's token of a charge, by which the same card or account can be charged again without its number: kept with the
-- attempt that it was told in.
SET LOCAL lock_timeout = '3s';

ALTER TABLE attempt
  ADD COLUMN card_token text,
  ADD CONSTRAINT attempt_card_token_check CHECK (octet_length(card_token) BETWEEN 1 AND 255) NOT VALID;
ALTER TABLE attempt_archive ADD COLUMN card_token text;
CREATE OR REPLACE VIEW all_attempt AS
  SELECT * FROM attempt
  UNION ALL SELECT payment_id, asked_at, call, answered_at, answer, detail, card_token FROM attempt_archive;
