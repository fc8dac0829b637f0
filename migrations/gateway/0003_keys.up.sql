-- Gateways of the version before must have ended: they would take external ids in without a claim.
SET LOCAL lock_timeout = '3s';

-- API keys: who may call /v1, and what. A secret is shown once, when it is made; kept is its SHA-256, which needs no salt:
-- the secret has 256 random bits. Rows stay: payments, reviews and idempotency keys name them.
CREATE TABLE api_key (
  id          uuid PRIMARY KEY,
  -- Audit trails name people by it, so that no two keys ever have the same.
  name        text COLLATE "C" NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 64),
  secret_hash bytea NOT NULL UNIQUE CHECK (octet_length(secret_hash) = 32),
  -- The secret before the last rotation, and until when it is taken.
  old_hash    bytea UNIQUE CHECK (octet_length(old_hash) = 32),
  old_until   timestamptz,
  scopes      text[] COLLATE "C" NOT NULL
              CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['pay', 'read', 'refund', 'ledger', 'review']),
  -- Calls a second; NULL for no limit.
  rate        bigint CHECK (rate BETWEEN 1 AND 1000000),
  created_at  timestamptz NOT NULL DEFAULT now(),
  expires_at  timestamptz,
  revoked_at  timestamptz,
  CONSTRAINT api_key_old_presence_check CHECK ((old_hash IS NULL) = (old_until IS NULL))
);

-- The key that a payment was taken in under; NULL where callers have none.
ALTER TABLE payment ADD COLUMN api_key_id uuid;
ALTER TABLE payment_archive ADD COLUMN api_key_id uuid;
CREATE OR REPLACE VIEW all_payment AS SELECT * FROM payment UNION ALL SELECT * FROM payment_archive;

-- The payment that has an external id within an API key (all zero for callers without one), for ever: rows are only
-- inserted, and stay when the payment is archived. Of payments from before, which may share one, the first has it.
CREATE TABLE external_claim (
  api_key_id  uuid NOT NULL,
  external_id text COLLATE "C" NOT NULL,
  payment_id  uuid NOT NULL,
  PRIMARY KEY (api_key_id, external_id)
);
INSERT INTO external_claim (api_key_id, external_id, payment_id)
SELECT DISTINCT ON (external_id) '00000000-0000-0000-0000-000000000000'::uuid, external_id, id
FROM all_payment WHERE external_id IS NOT NULL ORDER BY external_id, id;
