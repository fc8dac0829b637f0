-- Requests of other systems that are scored and not executed. Each has a decision as a payment has, under an id that is
-- made of the request's: whoever makes requests chooses their ids, which may be those of payments.
CREATE TABLE scored_request (
  request_id        uuid PRIMARY KEY,
  -- The payment_id of its decision.
  decision_id       uuid NOT NULL UNIQUE,
  user_id           uuid NOT NULL,
  payee_id          uuid NOT NULL,
  payment_method_id uuid NOT NULL,
  amount            numeric(20, 6) NOT NULL CHECK (amount > 0),
  currency          char(3) COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$')
);

-- As readers of that system know them. Its schema has one name: only the risk of a database that has the usual name
-- makes it, if it may, and leaves alone what is there under it.
DO $$
BEGIN
  IF current_schema() = 'risk' AND NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'risk_schema')
     AND has_database_privilege(current_database(), 'CREATE') THEN
    CREATE SCHEMA risk_schema;
    COMMENT ON SCHEMA risk_schema IS 'Paysaga: views over risk';
    CREATE VIEW risk_schema.auth_request AS
      SELECT r.request_id AS auth_request_id, r.user_id, r.payee_id, r.payment_method_id, r.amount,
             r.currency::text AS currency, d.score::integer AS risk_score, d.at AS created_at
      FROM scored_request r JOIN decision d ON d.payment_id = r.decision_id;
  END IF;
END
$$;
