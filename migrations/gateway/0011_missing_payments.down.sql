UPDATE webhook_delivery SET failure = 'attempts_exhausted' WHERE failure = 'payment_missing';
ALTER TABLE webhook_delivery
  DROP CONSTRAINT webhook_delivery_failure_check,
  ADD CONSTRAINT webhook_delivery_failure_check
    CHECK (failure IN ('attempts_exhausted', 'endpoint_disabled', 'endpoint_deleted')) NOT VALID;
