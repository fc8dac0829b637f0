-- One row a payment, from its intake on; nothing of a card but brand and last four digits. No index holds a column that
-- a result changes, so that results are HOT updates. Most payments have two results soon after, together with those that
-- lie beside them. Half of a page is kept free for that: so 96 % are HOT, with a fillfactor of 70 it was 60 %.
CREATE TABLE payment (
  -- Version 7: its time is created_at, so that a list is bounded in time by ids.
  id          uuid PRIMARY KEY,
  user_id     uuid NOT NULL,
  payee_id    uuid NOT NULL,
  method      text COLLATE "C" NOT NULL CHECK (method IN ('card', 'account', 'token', 'balance')),
  card_brand  text COLLATE "C" CHECK (octet_length(card_brand) BETWEEN 1 AND 32),
  card_last4  text COLLATE "C" CHECK (card_last4 ~ '^[0-9]{4}$'),
  -- An account number or token, but for its last four characters hidden.
  masked      text CHECK (masked LIKE '****%' AND char_length(masked) <= 8),
  account_id  uuid,
  amount      bigint NOT NULL CHECK (amount > 0),
  currency    char(3) COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  order_id    bigint CHECK (order_id > 0),
  external_id text CHECK (octet_length(external_id) BETWEEN 1 AND 255),
  description text CHECK (octet_length(description) <= 500),
  -- As text, so that it is shown as it was written.
  metadata    json CHECK (json_typeof(metadata) = 'object' AND octet_length(metadata::text) <= 65536),
  created_at  timestamptz NOT NULL,
  state       text COLLATE "C" NOT NULL DEFAULT 'CREATED'
              CHECK (state IN ('CREATED', 'PROCESSING', 'REVIEW', 'UNKNOWN', 'COMPLETED', 'REJECTED', 'ERROR')),
  version     bigint NOT NULL DEFAULT 1 CHECK (version > 0 AND version < 9223372036854775807),
  reason      text COLLATE "C" CHECK (octet_length(reason) BETWEEN 1 AND 64),
  -- When the state began.
  since       timestamptz NOT NULL,
  CONSTRAINT payment_parties_check CHECK (user_id <> payee_id),
  CONSTRAINT payment_card_presence_check
    CHECK ((method = 'card') = (card_brand IS NOT NULL) AND (method = 'card') = (card_last4 IS NOT NULL)),
  CONSTRAINT payment_masked_presence_check CHECK ((method IN ('account', 'token')) = (masked IS NOT NULL)),
  CONSTRAINT payment_account_presence_check CHECK ((method = 'balance') = (account_id IS NOT NULL)),
  CONSTRAINT payment_first_state_check CHECK ((state = 'CREATED') = (version = 1))
) WITH (fillfactor = 50);
CREATE INDEX payment_user_idx ON payment (user_id, id);
CREATE INDEX payment_order_idx ON payment (order_id, id) WHERE order_id IS NOT NULL;
CREATE INDEX payment_external_idx ON payment (external_id, id) WHERE external_id IS NOT NULL;

-- Every state that a payment has had. Rows are only inserted.
CREATE TABLE payment_state (
  payment_id uuid NOT NULL,
  version    bigint NOT NULL CHECK (version > 0),
  state      text COLLATE "C" NOT NULL
             CHECK (state IN ('CREATED', 'PROCESSING', 'REVIEW', 'UNKNOWN', 'COMPLETED', 'REJECTED', 'ERROR')),
  reason     text COLLATE "C" CHECK (octet_length(reason) BETWEEN 1 AND 64),
  at         timestamptz NOT NULL,
  PRIMARY KEY (payment_id, version)
);

-- The payment that an order has; deleted when that becomes REJECTED or ERROR, so that the order can be paid another way.
CREATE TABLE order_claim (
  order_id   bigint PRIMARY KEY CHECK (order_id > 0),
  payment_id uuid NOT NULL
);

-- Card payments of which no result has come: a card number lives in the memory of one process only, and when that ends
-- before the payment was claimed, nobody else can. Rows are inserted with their payment, and deleted by its first result.
CREATE TABLE card_waiting (
  payment_id uuid PRIMARY KEY,
  at         timestamptz NOT NULL
);

-- The answers that calls got under their keys: the shape of data/Idempotency, a table a UTC day. Within a day
-- (method, key) is unique by an index of the day's table; across days it is because whoever uses a key holds its
-- advisory lock and looks back over the whole retention first.
CREATE TABLE idempotency_key (
  method      text COLLATE "C" NOT NULL,
  key         text COLLATE "C" NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 255),
  fingerprint text NOT NULL,
  used_at     timestamptz NOT NULL,
  answer      jsonb NOT NULL
) PARTITION BY RANGE (used_at);
ALTER TABLE idempotency_key REPLICA IDENTITY FULL;
