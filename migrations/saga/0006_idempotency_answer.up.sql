-- What a call was answered becomes one value, so that the table knows nothing of payments. This is the first of three
-- steps: the column, and a trigger that fills it for programs of the version before, which go on as they did. Nothing
-- is scanned, and the lock is short. The next step fills older rows.
SET LOCAL lock_timeout = '3s';

ALTER TABLE idempotency_key ADD COLUMN answer jsonb;

-- Moments are written as RFC 3339 in UTC. What that form does not have becomes an infinity: callers are told the first
-- or last moment that it has, for one as for the other.
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
