SET LOCAL lock_timeout = '3s';

DROP TRIGGER idempotency_key_answer ON idempotency_key;
DROP FUNCTION idempotency_key_answer();
ALTER TABLE idempotency_key DROP COLUMN answer;
