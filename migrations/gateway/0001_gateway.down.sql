DROP TABLE idempotency_key;
DROP TABLE card_waiting;
DROP TABLE order_claim;
DROP TABLE payment_state;
DROP TABLE payment;
