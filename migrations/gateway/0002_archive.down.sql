DROP VIEW actual_payment_information;
DROP VIEW all_payment_information;
DROP VIEW all_payment_state;
DROP VIEW all_payment;
INSERT INTO payment_state SELECT * FROM payment_state_archive;
INSERT INTO payment SELECT * FROM payment_archive;
DROP TABLE payment_state_archive;
DROP TABLE payment_archive;
