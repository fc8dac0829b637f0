-- kind: 1 user, 2 clearing, 3 fees, 4 suspense, 5 world. Only a user's account is kept from going below zero, so only it
-- is locked and updated; the others take part in every payment and are written as deltas.
CREATE TABLE account (
  id         uuid PRIMARY KEY,
  kind       smallint NOT NULL CHECK (kind BETWEEN 1 AND 5),
  -- The user. One account a user and currency.
  owner      uuid CHECK ((owner IS NOT NULL) = (kind = 1)),
  currency   char(3) COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  posted     bigint NOT NULL DEFAULT 0,
  pending    bigint NOT NULL DEFAULT 0 CHECK (pending >= 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  -- The decision is made before the write, under a lock; this is the net below it.
  CONSTRAINT account_available_check CHECK (kind <> 1 OR posted - pending >= 0),
  CONSTRAINT account_owner_key UNIQUE (owner, currency)
) WITH (fillfactor = 70);

-- Not yet in account: one row a batch for each account that is not a user's, until they are folded.
CREATE TABLE account_delta (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account uuid NOT NULL,
  posted  bigint NOT NULL,
  pending bigint NOT NULL
);
CREATE INDEX account_delta_account_idx ON account_delta (account);

-- kind: 1 single, 2 pending, 3 post, 4 void. Never updated. A post or void has the id of its hold with one bit set, so
-- that the primary key lets a hold be resolved once.
CREATE TABLE transfer (
  id         uuid PRIMARY KEY,
  kind       smallint NOT NULL CHECK (kind BETWEEN 1 AND 4),
  debit      uuid NOT NULL,
  credit     uuid NOT NULL,
  amount     bigint NOT NULL CHECK (amount > 0),
  currency   char(3) COLLATE "C" NOT NULL,
  pending_id uuid,
  at         timestamptz NOT NULL DEFAULT now(),
  -- The transaction that wrote it: what a chain over the ledger is built by.
  tx         bigint NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
  CONSTRAINT transfer_accounts_check CHECK (debit <> credit),
  CONSTRAINT transfer_pending_id_check CHECK ((pending_id IS NOT NULL) = (kind IN (3, 4)))
);
CREATE INDEX transfer_debit_idx ON transfer (debit, at);
CREATE INDEX transfer_credit_idx ON transfer (credit, at);
