-- Where callers want to be told of payments. No secret lies here: it is made of the key with this name, which is a
-- setting, and the salt.
CREATE TABLE webhook_endpoint (
  id              uuid PRIMARY KEY,
  url             text NOT NULL CHECK (octet_length(url) BETWEEN 1 AND 2048),
  -- Types such as payment.completed, payment.* or *.
  events          text[] COLLATE "C" NOT NULL CHECK (cardinality(events) BETWEEN 1 AND 32),
  description     text CHECK (octet_length(description) BETWEEN 1 AND 500),
  -- A deleted one stays until what waited for it is shown as failed.
  state           text COLLATE "C" NOT NULL DEFAULT 'enabled' CHECK (state IN ('enabled', 'disabled', 'deleted')),
  -- A caller has asked for it, the receiver has answered 410, or it has failed for days.
  disabled_reason text COLLATE "C" CHECK (disabled_reason IN ('asked', 'gone', 'failing')),
  -- Since when it has this state.
  since           timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- The first failure since the last delivery.
  failing_since   timestamptz,
  key_id          text COLLATE "C" NOT NULL CHECK (octet_length(key_id) BETWEEN 1 AND 32),
  salt            bytea NOT NULL CHECK (octet_length(salt) = 16),
  -- The secret before the last rotation, and until when it signs as well.
  old_key_id      text COLLATE "C" CHECK (octet_length(old_key_id) BETWEEN 1 AND 32),
  old_salt        bytea CHECK (octet_length(old_salt) = 16),
  old_until       timestamptz,
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT webhook_endpoint_reason_check CHECK ((state = 'disabled') = (disabled_reason IS NOT NULL)),
  CONSTRAINT webhook_endpoint_old_presence_check
    CHECK ((old_key_id IS NULL) = (old_until IS NULL) AND (old_salt IS NULL) = (old_until IS NULL))
);

-- The gateway that sends to an endpoint. Apart from the endpoints, which each payment's transaction reads.
CREATE TABLE webhook_lease (
  endpoint_id uuid PRIMARY KEY,
  owner       uuid NOT NULL,
  until       timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Deliveries that are not over. A row is inserted in the transaction of the change that it tells of, and moves to
-- webhook_delivery when it is delivered or given up. Its id is made of endpoint, payment or refund, and version: see
-- docs/webhooks.md.
CREATE TABLE webhook_queue (
  endpoint_id uuid NOT NULL,
  id          uuid NOT NULL,
  payment_id  uuid NOT NULL,
  -- Of a change of a refund.
  refund_id   uuid,
  version     bigint NOT NULL CHECK (version > 0),
  state       text COLLATE "C" NOT NULL
              CHECK (state IN ('CREATED', 'PROCESSING', 'REVIEW', 'UNKNOWN', 'COMPLETED', 'REJECTED', 'ERROR')),
  reason      text COLLATE "C" CHECK (octet_length(reason) BETWEEN 1 AND 64),
  -- When the payment or refund came into the state.
  at          timestamptz NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  due_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  attempts    bigint NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  -- Those before somebody asked for it again: the schedule begins anew.
  spent       bigint NOT NULL DEFAULT 0 CHECK (spent BETWEEN 0 AND attempts),
  PRIMARY KEY (endpoint_id, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
CREATE INDEX webhook_queue_due_idx ON webhook_queue (endpoint_id, due_at);
CREATE INDEX webhook_queue_payment_idx ON webhook_queue (payment_id);

-- Deliveries that are over, a table a UTC day.
CREATE TABLE webhook_delivery (
  endpoint_id uuid NOT NULL,
  id          uuid NOT NULL,
  payment_id  uuid NOT NULL,
  refund_id   uuid,
  version     bigint NOT NULL,
  state       text COLLATE "C" NOT NULL,
  reason      text COLLATE "C",
  at          timestamptz NOT NULL,
  created_at  timestamptz NOT NULL,
  attempts    bigint NOT NULL,
  -- Why it was given up; NULL for what was delivered.
  failure     text COLLATE "C" CHECK (failure IN ('attempts_exhausted', 'endpoint_disabled', 'endpoint_deleted')),
  ended_at    timestamptz NOT NULL,
  PRIMARY KEY (id, ended_at)
) PARTITION BY RANGE (ended_at);
CREATE INDEX webhook_delivery_endpoint_idx ON webhook_delivery (endpoint_id, id);
CREATE INDEX webhook_delivery_failed_idx ON webhook_delivery (endpoint_id, id) WHERE failure IS NOT NULL;
CREATE INDEX webhook_delivery_payment_idx ON webhook_delivery (payment_id);
ALTER TABLE webhook_delivery REPLICA IDENTITY FULL;

-- Every attempt, a table a UTC day of the end of the attempt.
CREATE TABLE webhook_attempt (
  delivery_id uuid NOT NULL,
  number      bigint NOT NULL CHECK (number > 0),
  at          timestamptz NOT NULL,
  ended_at    timestamptz NOT NULL,
  -- Of the answer; NULL where there was none.
  status      bigint CHECK (status BETWEEN 100 AND 999),
  error       text CHECK (octet_length(error) <= 1000),
  -- Its first bytes.
  answer      bytea CHECK (octet_length(answer) <= 1024),
  PRIMARY KEY (delivery_id, number, ended_at)
) PARTITION BY RANGE (ended_at);
ALTER TABLE webhook_attempt REPLICA IDENTITY FULL;
