DROP TABLE operation_log;
ALTER TABLE event_relay
  DROP COLUMN heard_at, DROP COLUMN obstacle, DROP COLUMN obstacle_words, DROP COLUMN obstacle_since;
