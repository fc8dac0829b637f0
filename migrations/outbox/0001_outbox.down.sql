DROP TABLE event_topic_pause;
DROP TABLE event_relay;
DROP TABLE event_shard;
DROP TABLE event;
DROP TYPE event_status;
