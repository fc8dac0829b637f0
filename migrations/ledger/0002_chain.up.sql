SET LOCAL lock_timeout = '3s';

-- Blocks of transfers, one after the other, each with a hash over them and the hash of the block before: whoever changes,
-- adds or deletes what is sealed changes a hash. Never updated. A block has the transfers of the transactions from first_tx
-- on and before end_tx that are later than `later_than`.
CREATE TABLE block (
  number     bigint PRIMARY KEY CHECK (number > 0),
  first_tx   bigint NOT NULL CHECK (first_tx >= 0),
  end_tx     bigint NOT NULL,
  -- Transaction numbers begin anew where a dump is restored. Blocks from then on have another moment here.
  later_than timestamptz NOT NULL,
  -- The latest transfer so far, of this block and of those before.
  last_at    timestamptz NOT NULL,
  transfers  bigint NOT NULL CHECK (transfers > 0),
  hash       bytea NOT NULL CHECK (octet_length(hash) = 32),
  -- The server that numbered the transactions: system_identifier of pg_control_system().
  history    bigint NOT NULL,
  sealed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT block_range_check CHECK (first_tx < end_tx)
);

-- What the sealed transfers of a day (UTC) have changed on an account: the balance at a moment is the sum of the days
-- before, and of the transfers since.
CREATE TABLE account_day (
  account uuid NOT NULL,
  day     date NOT NULL,
  posted  bigint NOT NULL,
  pending bigint NOT NULL,
  PRIMARY KEY (account, day)
) WITH (fillfactor = 70);

-- Transfers lie nearly in the order of their transactions. A new one costs next to nothing here.
CREATE INDEX transfer_tx_idx ON transfer USING brin (tx) WITH (pages_per_range = 64, autosummarize = on);
