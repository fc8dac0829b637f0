-- The recorded trace that a payment's request belongs to, so that its webhooks are part of that trace, also when another
-- process sends them, as after a restart. NULL for a payment whose trace is not recorded, which costs it nothing.
SET LOCAL lock_timeout = '3s';

ALTER TABLE webhook_queue
  ADD COLUMN traceparent text COLLATE "C",
  ADD CONSTRAINT webhook_queue_traceparent_check CHECK (octet_length(traceparent) = 55) NOT VALID;
