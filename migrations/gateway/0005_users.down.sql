DROP TABLE payment_method;
DROP TABLE customer;
