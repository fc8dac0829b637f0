SET LOCAL lock_timeout = '3s';

DROP INDEX transfer_tx_idx;
DROP TABLE account_day;
DROP TABLE block;
