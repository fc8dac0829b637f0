DROP TABLE debit;
