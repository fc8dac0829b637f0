-- Users that the caller has told of. A payment's user needs no row: user_id is the caller's own.
CREATE TABLE customer (
  id          uuid PRIMARY KEY,
  name        text CHECK (octet_length(name) BETWEEN 1 AND 255),
  external_id text COLLATE "C" CHECK (octet_length(external_id) BETWEEN 1 AND 255),
  created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX customer_external_idx ON customer (external_id, id) WHERE external_id IS NOT NULL;

-- Accounts and the bank's tokens that users pay with again and again. Never a card.
CREATE TABLE payment_method (
  id         uuid PRIMARY KEY,
  user_id    uuid NOT NULL,
  method     text COLLATE "C" NOT NULL CHECK (method IN ('account', 'token')),
  -- The account number or the token.
  source     text NOT NULL CHECK (octet_length(source) BETWEEN 1 AND 255),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX payment_method_user_idx ON payment_method (user_id, id);
