-- Debits of users' balances that were commanded by message, each with its result. Rows are inserted, decided in the same
-- transaction, and stay: a debit that comes again has no second effect.
CREATE TABLE debit (
  id        uuid PRIMARY KEY,
  user_name text COLLATE "C" NOT NULL CHECK (octet_length(user_name) BETWEEN 1 AND 128),
  amount    bigint NOT NULL CHECK (amount > 0),
  currency  char(3) COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  -- NULL within the transaction that decides it.
  status    text COLLATE "C" CHECK (status IN ('COMPLETED', 'REJECTED')),
  reason    text COLLATE "C" CHECK (octet_length(reason) BETWEEN 1 AND 64),
  at        timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 90);
