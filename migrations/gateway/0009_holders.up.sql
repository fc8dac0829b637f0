-- The name on the card, which the surface cards keeps, for scripts of the card gateway.
CREATE OR REPLACE VIEW all_payment_information AS
  SELECT id AS operation_id, user_id,
         CASE WHEN currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND',
                                'VUV', 'XAF', 'XOF', 'XPF') THEN amount::numeric
              WHEN currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN amount * 0.001
              WHEN currency IN ('CLF', 'UYW') THEN amount * 0.0001
              ELSE amount * 0.01 END AS amount,
         currency::text AS currency, coalesce('************' || card_last4, masked) AS masked_card_number,
         CASE surface WHEN 'cards' THEN surface_details ->> 'card_holder_name' END AS card_holder_name,
         CASE state WHEN 'COMPLETED' THEN 'succeed' WHEN 'REJECTED' THEN 'error' WHEN 'ERROR' THEN 'error'
                    ELSE 'processing' END AS payment_status,
         state AS operation_status, created_at, since AS updated_at
  FROM all_payment;
