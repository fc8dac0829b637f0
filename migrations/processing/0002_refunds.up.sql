-- A refund is a row of `payment` too: the same engine, claims, due rows, attempts and audit. It has no risk, no order, no
-- source and needs no card number; it moves money from the payment's payee back, or out of suspense.
SET LOCAL lock_timeout = '3s';

LOCK TABLE payment, attempt IN ACCESS EXCLUSIVE MODE;

ALTER TABLE payment
  -- The payment that it gives money back of; NULL for payments.
  ADD COLUMN refund_of uuid,
  -- Who wants it: a caller, or what was found out about its payment.
  ADD COLUMN cause text COLLATE "C",
  -- The caller's words.
  ADD COLUMN note text,
  -- Whether the caller named no amount, so that it is all that was left.
  ADD COLUMN takes_rest boolean,
  -- NOT VALID: no row of before has such columns, and nothing is scanned.
  ADD CONSTRAINT payment_cause_check CHECK (cause IN ('caller', 'order_dead', 'charged_not_completed')) NOT VALID,
  ADD CONSTRAINT payment_note_check CHECK (octet_length(note) BETWEEN 1 AND 500) NOT VALID,
  ADD CONSTRAINT payment_refund_presence_check CHECK (
    CASE WHEN refund_of IS NULL THEN cause IS NULL AND note IS NULL AND takes_rest IS NULL
         ELSE cause IS NOT NULL AND takes_rest IS NOT NULL AND order_id IS NULL AND refund_of <> id
              AND stage NOT IN ('claimed', 'review') END) NOT VALID,
  DROP CONSTRAINT payment_source_presence_check,
  ADD CONSTRAINT payment_source_presence_check CHECK (
    (source IS NOT NULL) = (method IN ('account', 'token') AND refund_of IS NULL)) NOT VALID,
  DROP CONSTRAINT payment_claim_of_stage_check,
  ADD CONSTRAINT payment_claim_of_stage_check CHECK (
    (claim_owner IS NOT NULL) = (stage IN ('claimed', 'asked') OR stage = 'ready' AND method = 'card' AND refund_of IS NULL))
    NOT VALID;

-- The refunds of a payment. No payment is in it.
CREATE INDEX payment_refund_of_idx ON payment (refund_of) WHERE refund_of IS NOT NULL;

ALTER TABLE attempt
  DROP CONSTRAINT attempt_call_check,
  ADD CONSTRAINT attempt_call_check CHECK (call IN ('charge', 'refund', 'inquire', 'reverse')) NOT VALID;
