-- The second of three steps: all rows are copied (docs/upgrade.md says how fast). Nobody waits, but the copying is one
-- transaction: until it ends, nothing that others delete meanwhile is vacuumed.
SET LOCAL maintenance_work_mem = '256MB';

INSERT INTO payment_next OVERRIDING SYSTEM VALUE SELECT * FROM payment;

ALTER TABLE payment_next ADD CONSTRAINT payment_next_pkey PRIMARY KEY (order_id);
-- Never touched by settling. Expiry reads it upwards from where it has already been.
CREATE INDEX payment_next_expires_at_idx ON payment_next (expires_at) WHERE expires_at IS NOT NULL;
-- A key of a partitioned table holds the order; an id is unique in its part, and in all by its sequence.
DO $$
BEGIN
  FOR part IN 0..7 LOOP
    EXECUTE format('CREATE UNIQUE INDEX payment_%1$s_id_key ON payment_%1$s (id)', part);
  END LOOP;
END
$$;
ANALYZE payment_next;
