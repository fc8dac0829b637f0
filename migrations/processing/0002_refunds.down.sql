-- There is no way back while there are refunds: without their columns they would be payments.
SET LOCAL lock_timeout = '3s';

LOCK TABLE payment, attempt IN ACCESS EXCLUSIVE MODE;

ALTER TABLE payment ADD CONSTRAINT payment_no_refunds_check CHECK (refund_of IS NULL);
ALTER TABLE attempt
  DROP CONSTRAINT attempt_call_check,
  ADD CONSTRAINT attempt_call_check CHECK (call IN ('charge', 'inquire', 'reverse')) NOT VALID;
DROP INDEX payment_refund_of_idx;
ALTER TABLE payment
  DROP CONSTRAINT payment_no_refunds_check,
  DROP CONSTRAINT payment_refund_presence_check,
  DROP CONSTRAINT payment_source_presence_check,
  DROP CONSTRAINT payment_claim_of_stage_check,
  DROP COLUMN refund_of, DROP COLUMN cause, DROP COLUMN note, DROP COLUMN takes_rest,
  ADD CONSTRAINT payment_source_presence_check CHECK ((source IS NOT NULL) = (method IN ('account', 'token'))) NOT VALID,
  ADD CONSTRAINT payment_claim_of_stage_check CHECK (
    (claim_owner IS NOT NULL) = (stage IN ('claimed', 'asked') OR stage = 'ready' AND method = 'card')) NOT VALID;
