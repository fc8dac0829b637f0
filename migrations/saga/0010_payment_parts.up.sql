-- `payment` becomes a table of eight parts by hash of the order, in three steps, since one table ends at 32 TB and every
-- part has indexes and a vacuum of its own. This is the first: the parts, and a trigger that notes the orders that
-- change from now on, for programs go on writing. Nothing is scanned, and the lock is short.
SET LOCAL lock_timeout = '3s';

CREATE TABLE payment_next (LIKE payment INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING CONSTRAINTS)
  PARTITION BY HASH (order_id);
DO $$
DECLARE
  unproven name;
BEGIN
  -- Rows of before may violate these; the last step adds them in the same way.
  FOR unproven IN SELECT conname FROM pg_constraint WHERE conrelid = 'payment'::regclass AND NOT convalidated LOOP
    EXECUTE format('ALTER TABLE payment_next DROP CONSTRAINT %I', unproven);
  END LOOP;
  FOR part IN 0..7 LOOP
    EXECUTE format(
      'CREATE TABLE payment_%s PARTITION OF payment_next FOR VALUES WITH (MODULUS 8, REMAINDER %s) WITH (fillfactor = 70)',
      part, part);
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
