DROP TABLE event_topic_pause;
