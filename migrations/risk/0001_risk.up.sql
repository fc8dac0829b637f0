-- What was paid lately by a user, to a payee, with a card or from an account outside, in buckets of 5 seconds, a minute
-- and half an hour. Only the subjects that a rule limits have rows. Who changes a row has the advisory lock of its key.
CREATE TABLE usage (
  subject text COLLATE "C" NOT NULL CHECK (subject IN ('user', 'payee', 'card', 'account')),
  key     bytea NOT NULL,
  buckets bytea NOT NULL,
  -- In UTC, when it last changed; it changes seldom, so that updates are HOT in spite of its index.
  day     date NOT NULL,
  PRIMARY KEY (subject, key)
) WITH (fillfactor = 70);
-- Within the row as long as a page has room for it: a row of its own for each change would be garbage at once.
ALTER TABLE usage ALTER COLUMN buckets SET STORAGE MAIN;
CREATE INDEX usage_day_idx ON usage (day);

-- Users, payees, cards (by fingerprint) and accounts outside (by the SHA-256 of their number) whose payments are always
-- allowed or blocked. Block wins.
CREATE TABLE listed (
  list     text COLLATE "C" NOT NULL CHECK (list IN ('allow', 'block')),
  subject  text COLLATE "C" NOT NULL CHECK (subject IN ('user', 'payee', 'card', 'account')),
  key      bytea NOT NULL CHECK (octet_length(key) = CASE WHEN subject IN ('user', 'payee') THEN 16 ELSE 32 END),
  note     text,
  added_at timestamptz NOT NULL DEFAULT now(),
  added_by text NOT NULL DEFAULT current_user,
  PRIMARY KEY (subject, key, list)
);

-- The rules and bands that decisions were made by. Never changed. The version is the SHA-256 of the content.
CREATE TABLE rule_set (
  version       text COLLATE "C" PRIMARY KEY CHECK (version ~ '^[0-9a-f]{64}$'),
  content       text NOT NULL,
  first_used_at timestamptz NOT NULL DEFAULT now()
);

-- One row a payment: what was decided, and all that it was decided by. Never changed.
CREATE TABLE decision (
  payment_id uuid PRIMARY KEY,
  at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  method     text COLLATE "C" NOT NULL,
  amount     bigint NOT NULL,
  currency   char(3) COLLATE "C" NOT NULL,
  -- The version of a rule_set.
  rules      text COLLATE "C" NOT NULL,
  -- NULL when they could not be had; then `failed` says what RISK_FAIL was.
  features   jsonb,
  failed     text COLLATE "C" CHECK (failed IN ('open', 'closed')),
  score      smallint NOT NULL CHECK (score BETWEEN 0 AND 99),
  verdict    text COLLATE "C" NOT NULL CHECK (verdict IN ('allow', 'review', 'block')),
  reasons    text[] NOT NULL CHECK (cardinality(reasons) <= 5),
  CONSTRAINT decision_evidence_check CHECK ((features IS NULL) = (failed IS NOT NULL))
);
CREATE INDEX decision_held_idx ON decision (verdict, payment_id) WHERE verdict <> 'allow';
