-- What the surfaces of older systems keep of their own. Rows are only inserted.

-- The numbers of users whom the transactions surface knows by name.
CREATE TABLE transaction_user (
  name       text COLLATE "C" PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 128),
  number     bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Users, payment methods and payment requests of the demo surface. Its requests are scored and published, and no
-- payments; who is named in them need not be there.
CREATE TABLE demo_user (
  id         uuid PRIMARY KEY,
  first_name text CHECK (octet_length(first_name) <= 1024),
  last_name  text CHECK (octet_length(last_name) <= 1024),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX demo_user_created_idx ON demo_user (created_at, id);

CREATE TABLE demo_payment_method (
  id         uuid PRIMARY KEY,
  name       text CHECK (octet_length(name) <= 1024),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX demo_payment_method_created_idx ON demo_payment_method (created_at, id);

CREATE TABLE demo_payment_request (
  id                uuid PRIMARY KEY,
  user_id           uuid NOT NULL,
  payee_id          uuid NOT NULL,
  payment_method_id uuid NOT NULL,
  amount            numeric(20, 6) NOT NULL CHECK (amount > 0),
  currency          char(3) COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  created_at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX demo_payment_request_created_idx ON demo_payment_request (created_at, id);

-- As readers of that system know them. Its schema has one name: only the gateway of a database that has the usual name
-- makes it, if it may, and leaves alone what is there under it.
DO $$
BEGIN
  IF current_schema() = 'gateway' AND NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'payment_schema')
     AND has_database_privilege(current_database(), 'CREATE') THEN
    CREATE SCHEMA payment_schema;
    COMMENT ON SCHEMA payment_schema IS 'Paysaga: views over gateway';
    CREATE VIEW payment_schema."user" AS SELECT id AS user_id, first_name, last_name, created_at FROM demo_user;
    CREATE VIEW payment_schema.payment_method AS
      SELECT id AS payment_method_id, name, created_at FROM demo_payment_method;
    CREATE VIEW payment_schema.payment_request AS
      SELECT id AS payment_request_id, user_id, payee_id, payment_method_id, amount, currency::text AS currency,
             created_at
      FROM demo_payment_request;
  END IF;
END
$$;
