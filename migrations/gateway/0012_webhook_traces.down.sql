SET LOCAL lock_timeout = '3s';

ALTER TABLE webhook_queue DROP COLUMN traceparent;
