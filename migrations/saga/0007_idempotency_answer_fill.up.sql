-- The second of three steps. Filling may take minutes (some 30,000 rows a second) and makes nobody wait: rows that are
-- written meanwhile have their answer by the trigger, which sets it here too.
UPDATE idempotency_key SET answer = NULL WHERE answer IS NULL;
