-- The keys that callers gave to their calls (`idempotency-key`), each with what was asked and the payment as it was
-- answered, written in the transaction of the payment. One partition a UTC day, named idempotency_key_YYYYMMDD, made
-- ahead and dropped by the cron jobs. Within a day (method, key) is unique by an index of the day's table; across days
-- it is because whoever uses a key holds its advisory lock and looks back over the whole retention first.
CREATE TABLE idempotency_key (
  method         text COLLATE "C" NOT NULL,
  key            text COLLATE "C" NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 255),
  fingerprint    text NOT NULL,
  used_at        timestamptz NOT NULL,
  payment_id     bigint NOT NULL,
  order_id       bigint NOT NULL,
  status         payment_status NOT NULL,
  reason         text NOT NULL,
  version        bigint NOT NULL,
  amount_minor   bigint NOT NULL,
  currency       char(3),
  idempotent_key uuid,
  created_at     timestamptz NOT NULL,
  updated_at     timestamptz NOT NULL,
  expires_at     timestamptz
) PARTITION BY RANGE (used_at);
