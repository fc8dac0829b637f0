-- Rewrites the table under its lock: calls with a key wait.
SET LOCAL lock_timeout = '3s';

LOCK TABLE idempotency_key IN ACCESS EXCLUSIVE MODE;
ALTER TABLE idempotency_key
  DROP CONSTRAINT idempotency_key_answer_check,
  ADD COLUMN payment_id bigint, ADD COLUMN order_id bigint, ADD COLUMN status payment_status, ADD COLUMN reason text,
  ADD COLUMN version bigint, ADD COLUMN amount_minor bigint, ADD COLUMN currency char(3),
  ADD COLUMN idempotent_key uuid, ADD COLUMN created_at timestamptz, ADD COLUMN updated_at timestamptz,
  ADD COLUMN expires_at timestamptz;
UPDATE idempotency_key SET
  payment_id = (answer->>'payment_id')::bigint, order_id = (answer->>'order_id')::bigint,
  status = (answer->>'status')::payment_status, reason = answer->>'reason', version = (answer->>'version')::bigint,
  amount_minor = (answer->>'amount_minor')::bigint, currency = nullif(answer->>'currency', ''),
  idempotent_key = (answer->>'idempotent_key')::uuid, created_at = (answer->>'created_at')::timestamptz,
  updated_at = (answer->>'updated_at')::timestamptz, expires_at = (answer->>'expires_at')::timestamptz;
ALTER TABLE idempotency_key
  ALTER COLUMN payment_id SET NOT NULL, ALTER COLUMN order_id SET NOT NULL, ALTER COLUMN status SET NOT NULL,
  ALTER COLUMN reason SET NOT NULL, ALTER COLUMN version SET NOT NULL, ALTER COLUMN amount_minor SET NOT NULL,
  ALTER COLUMN created_at SET NOT NULL, ALTER COLUMN updated_at SET NOT NULL;

CREATE FUNCTION idempotency_key_answer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.answer := jsonb_build_object(
    'payment_id', NEW.payment_id, 'order_id', NEW.order_id, 'status', NEW.status, 'reason', NEW.reason,
    'version', NEW.version, 'amount_minor', NEW.amount_minor, 'currency', coalesce(NEW.currency::text, ''),
    'idempotent_key', NEW.idempotent_key)
  || (SELECT jsonb_object_agg(
               t.name,
               CASE WHEN t.moment >= '10000-01-01T00:00:00Z' THEN 'infinity'
                    WHEN t.moment < '0001-01-01T00:00:00Z' THEN '-infinity'
                    ELSE to_char(t.moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') END)
      FROM (VALUES ('created_at', NEW.created_at), ('updated_at', NEW.updated_at), ('expires_at', NEW.expires_at))
           t(name, moment));
  RETURN NEW;
END
$$;

CREATE TRIGGER idempotency_key_answer BEFORE INSERT OR UPDATE ON idempotency_key
  FOR EACH ROW EXECUTE FUNCTION idempotency_key_answer();
