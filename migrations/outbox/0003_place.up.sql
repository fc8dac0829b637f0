-- Where a published event lies on its topic, as the broker told it. Both NULL for events that were published before
-- this step, or by programs of the version before. Nothing is scanned.
SET LOCAL lock_timeout = '3s';

-- In the order in which the programs lock them, all at once: otherwise writers and this wait for each other in a circle.
LOCK TABLE event_shard, event IN ACCESS EXCLUSIVE MODE;
ALTER TABLE event ADD COLUMN topic_partition int, ADD COLUMN topic_offset bigint;
