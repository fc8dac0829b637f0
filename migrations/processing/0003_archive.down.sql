DROP VIEW all_attempt;
DROP VIEW all_payment;
INSERT INTO attempt SELECT payment_id, asked_at, call, answered_at, answer, detail FROM attempt_archive;
INSERT INTO payment SELECT * FROM refund_archive UNION ALL SELECT * FROM payment_archive;
DROP TABLE archive_floor;
DROP TABLE attempt_archive;
DROP TABLE refund_archive;
DROP TABLE payment_archive;
