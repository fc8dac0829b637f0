SET LOCAL lock_timeout = '3s';
LOCK TABLE event_shard, event IN ACCESS EXCLUSIVE MODE;
ALTER TABLE event DROP COLUMN topic_partition, DROP COLUMN topic_offset;
