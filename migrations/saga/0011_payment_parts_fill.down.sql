SET LOCAL lock_timeout = '3s';

TRUNCATE payment_next;
ALTER TABLE payment_next DROP CONSTRAINT payment_next_pkey;
DROP INDEX payment_next_expires_at_idx;
DO $$
BEGIN
  FOR part IN 0..7 LOOP
    EXECUTE format('DROP INDEX payment_%s_id_key', part);
  END LOOP;
END
$$;
