-- What a delivery tells of may be nowhere, as after a restore. NOT VALID: rows that are there already are not looked at, and
-- keep the new rule since they kept the old one; the lock lasts moments.
ALTER TABLE webhook_delivery
  DROP CONSTRAINT webhook_delivery_failure_check,
  ADD CONSTRAINT webhook_delivery_failure_check
    CHECK (failure IN ('attempts_exhausted', 'endpoint_disabled', 'endpoint_deleted', 'payment_missing')) NOT VALID;
