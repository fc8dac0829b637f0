SET LOCAL lock_timeout = '3s';

DROP TABLE webhook_attempt, webhook_delivery, webhook_queue, webhook_lease, webhook_endpoint;
