DROP TABLE transfer;
DROP TABLE account_delta;
DROP TABLE account;
