DROP TABLE payment;
DROP TYPE payment_status;
