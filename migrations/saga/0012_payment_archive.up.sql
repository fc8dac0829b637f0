-- The last of three steps: what has changed since the copying began is copied again, and the parts take the place of the
-- table. Payments cannot be written meanwhile: some seconds for each 100,000 that have changed.
--
-- And the archive, where finished payments go by setting. Its rows are never written again, so its pages are full and
-- nothing but lookups needs an index.
SET LOCAL lock_timeout = '3s';

LOCK TABLE payment IN ACCESS EXCLUSIVE MODE;
ANALYZE payment_change;
DELETE FROM payment_next n USING (SELECT DISTINCT order_id FROM payment_change) c WHERE n.order_id = c.order_id;
INSERT INTO payment_next OVERRIDING SYSTEM VALUE
SELECT p.* FROM (SELECT DISTINCT order_id FROM payment_change) c JOIN payment p ON p.order_id = c.order_id;

CREATE TABLE payment_archive (LIKE payment) PARTITION BY HASH (order_id);
DO $$
BEGIN
  FOR part IN 0..7 LOOP
    EXECUTE format(
      'CREATE TABLE payment_archive_%s PARTITION OF payment_archive FOR VALUES WITH (MODULUS 8, REMAINDER %s)',
      part, part);
    EXECUTE format(
      'CREATE UNIQUE INDEX payment_archive_%1$s_id_key ON payment_archive_%1$s (id)', part);
  END LOOP;
END
$$;
ALTER TABLE payment_archive ADD CONSTRAINT payment_archive_pkey PRIMARY KEY (order_id);

CREATE VIEW all_payment AS SELECT * FROM payment_next UNION ALL SELECT * FROM payment_archive;

DO $$
DECLARE
  found record;
BEGIN
  FOR found IN
    SELECT conname, pg_get_constraintdef(oid) AS rule
    FROM pg_constraint WHERE conrelid = 'payment'::regclass AND NOT convalidated
  LOOP
    EXECUTE format('ALTER TABLE payment_next ADD CONSTRAINT %I %s', found.conname, found.rule);
  END LOOP;
  -- Who might do something with the table may do it with its successor, and who might read it may read the archive.
  FOR found IN
    SELECT a.privilege_type AS privilege, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END AS role,
           CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS tail
    FROM pg_class c CROSS JOIN aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
    WHERE c.oid = 'payment'::regclass AND a.grantee <> c.relowner
  LOOP
    EXECUTE format('GRANT %s ON payment_next TO %s%s', found.privilege, found.role, found.tail);
    IF found.privilege = 'SELECT' THEN
      EXECUTE format('GRANT SELECT ON payment_archive, all_payment TO %s%s', found.role, found.tail);
    END IF;
  END LOOP;
END
$$;

SELECT setval(pg_get_serial_sequence('payment_next', 'id'), last_value, is_called) FROM payment_id_seq;
DROP TABLE payment;
DROP FUNCTION payment_change();
DROP TABLE payment_change;
ALTER TABLE payment_next RENAME TO payment;
ALTER TABLE payment RENAME CONSTRAINT payment_next_pkey TO payment_pkey;
ALTER INDEX payment_next_expires_at_idx RENAME TO payment_expires_at_idx;
ALTER SEQUENCE payment_next_id_seq RENAME TO payment_id_seq;

-- Refuses inserts while the sequence is behind, as after a restore of the tables alone: no key could, across parts.
GRANT SELECT ON SEQUENCE payment_id_seq TO PUBLIC;
CREATE FUNCTION payment_id_is_new() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF coalesce(pg_sequence_last_value('payment_id_seq'), 0) < (SELECT max(id) FROM payment) THEN
    RAISE unique_violation USING CONSTRAINT = 'payment_id_key',
      MESSAGE = 'payment_id_seq is behind the ids of payment (payment_id_key): see docs/operations.md';
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER payment_id_is_new BEFORE INSERT ON payment FOR EACH STATEMENT EXECUTE FUNCTION payment_id_is_new();
