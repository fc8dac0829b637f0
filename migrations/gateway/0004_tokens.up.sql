-- The bank's token of a payment that it has charged; `{"type":"token"}` charges the same card or account again.
SET LOCAL lock_timeout = '3s';

ALTER TABLE payment
  ADD COLUMN bank_token text,
  ADD CONSTRAINT payment_bank_token_check CHECK (octet_length(bank_token) BETWEEN 1 AND 255) NOT VALID;
ALTER TABLE payment_archive ADD COLUMN bank_token text;
CREATE OR REPLACE VIEW all_payment AS SELECT * FROM payment UNION ALL SELECT * FROM payment_archive;
