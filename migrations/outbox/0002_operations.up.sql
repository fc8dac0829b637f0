-- What a living relay says of itself, so that whoever looks sees why events wait.
ALTER TABLE event_relay
  ADD COLUMN heard_at timestamptz,       -- its last sign of life; NULL for a relay of an older version
  ADD COLUMN obstacle text,              -- what keeps it from publishing: broker_refuses or broker_away; NULL: nothing
  ADD COLUMN obstacle_words text,        -- the same in the broker's words
  ADD COLUMN obstacle_since timestamptz;

-- What operators have done to the outbox, and what happened to it that somebody may have to know: written in the
-- transaction of the action, kept for ninety days.
CREATE TABLE operation_log (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  action   text NOT NULL,
  actor    text NOT NULL,                -- an operator, or the relay that saw it
  topic    text,
  key      text,
  event_id uuid,
  shard    smallint,
  detail   text
);
CREATE INDEX operation_log_key ON operation_log (key, id) WHERE key IS NOT NULL;
