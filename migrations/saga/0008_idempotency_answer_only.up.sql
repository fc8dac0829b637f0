-- The last of three steps, apart from the filling so that a lock that is not granted throws no work away. It scans
-- nothing. From here on programs of the version before can make no calls with a key; everything else they can.
SET LOCAL lock_timeout = '3s';

LOCK TABLE idempotency_key IN ACCESS EXCLUSIVE MODE;
DROP TRIGGER idempotency_key_answer ON idempotency_key;
DROP FUNCTION idempotency_key_answer();
ALTER TABLE idempotency_key
  DROP COLUMN payment_id, DROP COLUMN order_id, DROP COLUMN status, DROP COLUMN reason, DROP COLUMN version,
  DROP COLUMN amount_minor, DROP COLUMN currency, DROP COLUMN idempotent_key, DROP COLUMN created_at,
  DROP COLUMN updated_at, DROP COLUMN expires_at,
  -- Not NOT NULL, which would scan.
  ADD CONSTRAINT idempotency_key_answer_check CHECK (answer IS NOT NULL) NOT VALID;
