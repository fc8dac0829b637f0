-- Who opened a payment and who settled it: a caller as events keep it (`name@address`), the inventory message that
-- opened it (`topic/partition@offset`) or `expiry`, and after a blank the trace that it said it belonged to. NULL for
-- what was done before this step, or by programs of the version before. No index holds them, so that settling stays a
-- HOT update. NOT VALID: nothing is scanned.
SET LOCAL lock_timeout = '3s';

ALTER TABLE payment
  ADD COLUMN opened_by text,
  ADD COLUMN settled_by text,
  ADD CONSTRAINT payment_callers_check CHECK (octet_length(opened_by) <= 500 AND octet_length(settled_by) <= 500)
    NOT VALID;
