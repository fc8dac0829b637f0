SET LOCAL lock_timeout = '3s';

DROP TABLE statement;
-- What statements have said stays: it is why payments are as they are.
ALTER TABLE attempt
  DROP CONSTRAINT attempt_call_check,
  ADD CONSTRAINT attempt_call_check CHECK (call IN ('charge', 'refund', 'inquire', 'reverse')) NOT VALID;

DROP INDEX exception_open_kind_idx;
CREATE INDEX exception_open_idx ON exception (opened_at) WHERE closed_at IS NULL;
