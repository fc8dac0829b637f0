-- Finished payments leave `payment` for tables with a partition a UTC month, which are never updated and can be dropped as
-- a whole. An id is a UUID of version 7, so its month is a range of ids: a payment is found in its month alone. The mover
-- makes the months. Columns are those of the live tables in the same order, and stay so: whatever adds a column to a live
-- table adds it to its archive and to the views.
CREATE TABLE payment_archive (LIKE payment, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE INDEX payment_archive_user_idx ON payment_archive (user_id, id);
CREATE INDEX payment_archive_order_idx ON payment_archive (order_id, id) WHERE order_id IS NOT NULL;
CREATE INDEX payment_archive_external_idx ON payment_archive (external_id, id) WHERE external_id IS NOT NULL;

CREATE TABLE payment_state_archive (LIKE payment_state, PRIMARY KEY (payment_id, version))
  PARTITION BY RANGE (payment_id);

-- Live and archived ones as one. A row moves in one transaction, so a statement sees it exactly once.
CREATE VIEW all_payment AS SELECT * FROM payment UNION ALL SELECT * FROM payment_archive;
CREATE VIEW all_payment_state AS SELECT * FROM payment_state UNION ALL SELECT * FROM payment_state_archive;

-- Payments as scripts of the card gateway read them: the live ones, and all. The amount is in major units. Nothing of a
-- card but its last digits is kept, so there is no holder's name.
CREATE VIEW all_payment_information AS
  SELECT id AS operation_id, user_id,
         CASE WHEN currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND',
                                'VUV', 'XAF', 'XOF', 'XPF') THEN amount::numeric
              WHEN currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN amount * 0.001
              WHEN currency IN ('CLF', 'UYW') THEN amount * 0.0001
              ELSE amount * 0.01 END AS amount,
         currency::text AS currency, coalesce('************' || card_last4, masked) AS masked_card_number,
         NULL::text AS card_holder_name,
         CASE state WHEN 'COMPLETED' THEN 'succeed' WHEN 'REJECTED' THEN 'error' WHEN 'ERROR' THEN 'error'
                    ELSE 'processing' END AS payment_status,
         state AS operation_status, created_at, since AS updated_at
  FROM all_payment;
CREATE VIEW actual_payment_information AS
  SELECT i.* FROM all_payment_information i WHERE EXISTS (SELECT FROM payment p WHERE p.id = i.operation_id);
