SET LOCAL lock_timeout = '3s';

DROP TRIGGER payment_change ON payment;
DROP FUNCTION payment_change();
DROP TABLE payment_change;
DROP TABLE payment_next;
