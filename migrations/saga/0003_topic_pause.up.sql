-- Topics that are not published for now. Tiny; every read of the relays asks it. Events of a paused topic stay in WAIT,
-- and so does whatever is behind them in their keys, so that the order within a key holds across topics.
CREATE TABLE event_topic_pause (
  topic     text PRIMARY KEY,
  paused_at timestamptz NOT NULL DEFAULT now()
);
