-- Copies everything back under the lock: payments cannot be written or read meanwhile.
SET LOCAL lock_timeout = '3s';

LOCK TABLE payment, payment_archive IN ACCESS EXCLUSIVE MODE;
DROP TRIGGER payment_id_is_new ON payment;
DROP FUNCTION payment_id_is_new();
DROP VIEW all_payment;
INSERT INTO payment OVERRIDING SYSTEM VALUE SELECT * FROM payment_archive;
DROP TABLE payment_archive;

ALTER TABLE payment RENAME TO payment_next;
ALTER TABLE payment_next RENAME CONSTRAINT payment_pkey TO payment_next_pkey;
ALTER INDEX payment_expires_at_idx RENAME TO payment_next_expires_at_idx;
ALTER SEQUENCE payment_id_seq RENAME TO payment_next_id_seq;
CREATE TABLE payment (LIKE payment_next INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING CONSTRAINTS)
  WITH (fillfactor = 70);

DO $$
DECLARE
  found record;
BEGIN
  FOR found IN
    SELECT conname FROM pg_constraint WHERE conrelid = 'payment_next'::regclass AND NOT convalidated
  LOOP
    EXECUTE format('ALTER TABLE payment DROP CONSTRAINT %I', found.conname);
  END LOOP;
END
$$;
INSERT INTO payment OVERRIDING SYSTEM VALUE SELECT * FROM payment_next;
ALTER TABLE payment ADD CONSTRAINT payment_pkey PRIMARY KEY (id), ADD CONSTRAINT payment_order_id_key UNIQUE (order_id);
CREATE INDEX payment_expires_at_idx ON payment (expires_at) WHERE expires_at IS NOT NULL;
SELECT setval(pg_get_serial_sequence('payment', 'id'), last_value, is_called) FROM payment_next_id_seq;

DO $$
DECLARE
  found record;
BEGIN
  FOR found IN
    SELECT conname, pg_get_constraintdef(oid) AS rule
    FROM pg_constraint WHERE conrelid = 'payment_next'::regclass AND NOT convalidated
  LOOP
    EXECUTE format('ALTER TABLE payment ADD CONSTRAINT %I %s', found.conname, found.rule);
    EXECUTE format('ALTER TABLE payment_next DROP CONSTRAINT %I', found.conname);
  END LOOP;
  FOR found IN
    SELECT a.privilege_type AS privilege, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END AS role,
           CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS tail
    FROM pg_class c CROSS JOIN aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
    WHERE c.oid = 'payment_next'::regclass AND a.grantee <> c.relowner
  LOOP
    EXECUTE format('GRANT %s ON payment TO %s%s', found.privilege, found.role, found.tail);
  END LOOP;
END
$$;

CREATE TABLE payment_change (order_id bigint NOT NULL);
GRANT INSERT ON payment_change TO PUBLIC;
CREATE FUNCTION payment_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN INSERT INTO payment_change VALUES (OLD.order_id); END IF;
  IF TG_OP <> 'DELETE' THEN INSERT INTO payment_change VALUES (NEW.order_id); END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER payment_change AFTER INSERT OR UPDATE OR DELETE ON payment
  FOR EACH ROW EXECUTE FUNCTION payment_change();
