-- What was paid and what failed lately, now found by one number of 16 bytes instead of subject and key, which takes two
-- thirds of the time. No count of the table before is carried over: windows begin anew, for a day at most. Who changes a
-- row has the advisory lock of its key.
DROP TABLE usage;
CREATE TABLE usage (
  -- Of the user's or payee's id, the card's fingerprint, or the SHA-256 of the account's number: the first 16 bytes, with
  -- the subject mixed in.
  id      uuid PRIMARY KEY,
  buckets bytea NOT NULL,
  -- In UTC, when the row may be deleted unless it changes; it moves on once a day, so that updates are HOT in spite of
  -- its index.
  until   date NOT NULL
) WITH (fillfactor = 70);
-- Within the row as long as a page has room for it: a row of its own for each change would be garbage at once.
ALTER TABLE usage ALTER COLUMN buckets SET STORAGE MAIN;
CREATE INDEX usage_until_idx ON usage (until);

-- The fingerprint by which the payment's card is counted, so that its failure can be counted when the bank declines it.
ALTER TABLE decision ADD COLUMN card bytea;
