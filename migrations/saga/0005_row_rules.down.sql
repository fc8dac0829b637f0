SET LOCAL lock_timeout = '3s';

DO $$
DECLARE
  part regclass;
BEGIN
  FOR part IN
    SELECT t.relid FROM (VALUES ('event'::regclass), ('idempotency_key'::regclass)) r(root), pg_partition_tree(r.root) t
  LOOP
    EXECUTE format('ALTER TABLE %s REPLICA IDENTITY DEFAULT', part);
  END LOOP;
END
$$;

ALTER TABLE event_shard DROP CONSTRAINT event_shard_epoch_check;
ALTER TABLE payment
  DROP CONSTRAINT payment_status_check, DROP CONSTRAINT payment_currency_check, DROP CONSTRAINT payment_id_check,
  DROP CONSTRAINT payment_version_limit;
ALTER TABLE event_wait DROP CONSTRAINT event_wait_headers_check, DROP CONSTRAINT event_wait_shard_check;
