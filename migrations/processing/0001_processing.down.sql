DROP TABLE settlement;
DROP TABLE exception;
DROP TABLE attempt;
DROP TABLE claim;
DROP TABLE due;
DROP TABLE payment;
DROP TABLE owner;
