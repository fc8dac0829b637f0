ALTER TABLE decision DROP COLUMN card;

DROP TABLE usage;
CREATE TABLE usage (
  subject text COLLATE "C" NOT NULL CHECK (subject IN ('user', 'payee', 'card', 'account')),
  key     bytea NOT NULL,
  buckets bytea NOT NULL,
  -- In UTC, when it last changed; it changes seldom, so that updates are HOT in spite of its index.
  day     date NOT NULL,
  PRIMARY KEY (subject, key)
) WITH (fillfactor = 70);
ALTER TABLE usage ALTER COLUMN buckets SET STORAGE MAIN;
CREATE INDEX usage_day_idx ON usage (day);
