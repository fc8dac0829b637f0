-- Messages of the pipeline that nobody could use, from the topics for dead letters: each waits until a person has it sent
-- again or discards it. Rows stay, without key and value once that is done.
CREATE TABLE dead_letter (
  id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- Where the letter lies. A topic that was made anew begins at offset 0 again, with other times.
  topic          text COLLATE "C" NOT NULL,
  partition      int NOT NULL,
  message_offset bigint NOT NULL,
  died_at        timestamptz NOT NULL,
  -- The topic that the message was on.
  source         text COLLATE "C" NOT NULL,
  key            bytea,
  value          bytea,
  -- Names with values in hexadecimal digits, in order: [["traceparent", "3030"], …].
  headers        json NOT NULL,
  reason         text NOT NULL CHECK (char_length(reason) <= 1000),
  -- How often it had been sent again before.
  requeues       int NOT NULL DEFAULT 0 CHECK (requeues >= 0),
  kept_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  state          text COLLATE "C" NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'requeued', 'discarded')),
  decided_at     timestamptz,
  decided_by     text CHECK (octet_length(decided_by) BETWEEN 1 AND 255),
  UNIQUE (topic, partition, message_offset, died_at),
  CONSTRAINT dead_letter_decision_check
    CHECK ((state = 'waiting') = (decided_at IS NULL) AND (state = 'waiting') = (decided_by IS NULL))
);
CREATE INDEX dead_letter_waiting_idx ON dead_letter (id) WHERE state = 'waiting';
