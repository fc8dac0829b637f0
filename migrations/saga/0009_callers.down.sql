SET LOCAL lock_timeout = '3s';
ALTER TABLE payment DROP COLUMN opened_by, DROP COLUMN settled_by;
