-- What no row of ours holds is refused where it is written. NOT VALID: rows that are there already are not looked at, so
-- that nothing is scanned and no lock is held for long; the programs refuse what they cannot read by themselves.
SET LOCAL lock_timeout = '3s';

-- In the order in which the programs lock them, all at once: otherwise writers and this wait for each other in a circle.
LOCK TABLE payment, event_shard, event_wait, event_dead IN ACCESS EXCLUSIVE MODE;

-- On the waiting events alone: what was refused must find its way to event_dead.
ALTER TABLE event_wait
  ADD CONSTRAINT event_wait_headers_check CHECK (
    CASE WHEN cardinality(headers) = 0 THEN true
         WHEN array_ndims(headers) <> 1 THEN false
         ELSE cardinality(headers) % 2 = 0 AND array_position(headers, NULL) IS NULL END) NOT VALID,
  ADD CONSTRAINT event_wait_shard_check CHECK (shard >= 0) NOT VALID;

-- A status that is added to the type needs a version of the programs that knows it.
ALTER TABLE payment
  ADD CONSTRAINT payment_status_check CHECK (status IN ('CREATED', 'COMPLETED', 'FAILED')) NOT VALID,
  ADD CONSTRAINT payment_currency_check CHECK (currency::text COLLATE "C" ~ '^([A-Z]{3})?$') NOT VALID,
  ADD CONSTRAINT payment_id_check CHECK (id > 0) NOT VALID,
  ADD CONSTRAINT payment_version_limit CHECK (version < 9223372036854775807) NOT VALID;

ALTER TABLE event_shard ADD CONSTRAINT event_shard_epoch_check CHECK (shard >= 0 AND epoch >= 0) NOT VALID;

-- With a publication FOR ALL TABLES PostgreSQL refuses every UPDATE and DELETE of a table without a replica identity.
-- The days of published events have no index that could be one; only a replay deletes from them.
ALTER TABLE event_wait REPLICA IDENTITY USING INDEX event_wait_shard_id_key;
ALTER TABLE event_dead REPLICA IDENTITY USING INDEX event_dead_shard_id_key;
DO $$
DECLARE
  part regclass;
BEGIN
  FOR part IN
    SELECT t.relid FROM (VALUES ('event'::regclass), ('idempotency_key'::regclass)) r(root), pg_partition_tree(r.root) t
    JOIN pg_class c ON c.oid = t.relid
    WHERE t.relid NOT IN ('event_wait'::regclass, 'event_dead'::regclass)
  LOOP
    EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', part);
  END LOOP;
END
$$;
