-- The bank's statements that were compared with the tables, each once for the time that it covers. Their rows are not
-- kept: what came of them is in payment, attempt, exception and the ledger.
SET LOCAL lock_timeout = '3s';

CREATE TABLE statement (
  sha256         bytea NOT NULL CHECK (octet_length(sha256) = 32),
  name           text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 255),
  -- The time in which it lists everything; NULL when nothing was said to be missing in it.
  complete_from  timestamptz,
  complete_to    timestamptz,
  reconciled_at  timestamptz NOT NULL DEFAULT now(),
  row_count      bigint NOT NULL CHECK (row_count >= 0),
  matched        bigint NOT NULL CHECK (matched >= 0),
  resolved       bigint NOT NULL CHECK (resolved >= 0),
  undecided      bigint NOT NULL CHECK (undecided >= 0),
  contradicted   bigint NOT NULL CHECK (contradicted >= 0),
  missing_here   bigint NOT NULL CHECK (missing_here >= 0),
  missing_there  bigint NOT NULL CHECK (missing_there >= 0),
  amount_differs bigint NOT NULL CHECK (amount_differs >= 0),
  duplicate      bigint NOT NULL CHECK (duplicate >= 0),
  settled        bigint NOT NULL CHECK (settled >= 0),
  CONSTRAINT statement_period_check CHECK ((complete_from IS NULL) = (complete_to IS NULL) AND complete_from <= complete_to),
  CONSTRAINT statement_key UNIQUE NULLS NOT DISTINCT (sha256, complete_from, complete_to)
);

-- What a statement says about a payment is kept with the bank's answers. NOT VALID: rows of before satisfy it.
ALTER TABLE attempt
  DROP CONSTRAINT attempt_call_check,
  ADD CONSTRAINT attempt_call_check CHECK (call IN ('charge', 'refund', 'inquire', 'reverse', 'statement')) NOT VALID;

-- Some kinds are looked for every second, and a statement may open any number of another one.
DROP INDEX exception_open_idx;
CREATE INDEX exception_open_kind_idx ON exception (kind, opened_at) WHERE closed_at IS NULL;
