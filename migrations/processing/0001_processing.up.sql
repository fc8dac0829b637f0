-- Who works on payments: one row a process. Whoever takes a process's work over raises the epoch first, so that what the
-- process began before is refused: its transactions lock the row FOR KEY SHARE and look.
CREATE TABLE owner (
  id           uuid PRIMARY KEY,
  epoch        bigint NOT NULL DEFAULT 1 CHECK (epoch > 0),
  leased_until timestamptz NOT NULL,
  program      text NOT NULL,
  started_at   timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- One row a payment, from its claim on. No index holds a column that a step changes, so that steps are HOT updates: what
-- is due and who has what is found by the two tables below.
CREATE TABLE payment (
  id          uuid PRIMARY KEY,
  user_id     uuid NOT NULL,
  payee_id    uuid NOT NULL,
  method      text COLLATE "C" NOT NULL CHECK (method IN ('card', 'account', 'token', 'balance')),
  -- The account number or the bank's token; nothing of a card.
  source      text CHECK (octet_length(source) BETWEEN 1 AND 255),
  amount      bigint NOT NULL CHECK (amount > 0),
  currency    char(3) COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  debit       uuid NOT NULL,
  credit      uuid NOT NULL,
  order_id    bigint CHECK (order_id > 0),
  since       timestamptz NOT NULL,
  state       text COLLATE "C" NOT NULL
              CHECK (state IN ('PROCESSING', 'REVIEW', 'UNKNOWN', 'COMPLETED', 'REJECTED', 'ERROR')),
  version     bigint NOT NULL CHECK (version > 1),
  reason      text COLLATE "C",
  stage       text COLLATE "C" NOT NULL
              CHECK (stage IN ('claimed', 'review', 'ready', 'asked', 'unknown', 'reversing', 'done')),
  asked_at    timestamptz,
  claim_owner uuid,
  claim_epoch bigint,
  has_hold    boolean NOT NULL,
  inquiries   integer NOT NULL CHECK (inquiries >= 0),
  due         timestamptz,
  -- Who has decided its review.
  reviewer    text CHECK (octet_length(reviewer) BETWEEN 1 AND 255),
  updated_at  timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT payment_source_presence_check CHECK ((source IS NOT NULL) = (method IN ('account', 'token'))),
  CONSTRAINT payment_claim_presence_check CHECK ((claim_owner IS NULL) = (claim_epoch IS NULL)),
  -- Only whoever has a card's number, or has asked the bank, works on a payment. Others wait for the bank in this table.
  CONSTRAINT payment_claim_of_stage_check CHECK (
    (claim_owner IS NOT NULL) = (stage IN ('claimed', 'asked') OR stage = 'ready' AND method = 'card')),
  CONSTRAINT payment_asked_at_presence_check CHECK ((asked_at IS NOT NULL) = (stage IN ('asked', 'unknown', 'reversing'))),
  CONSTRAINT payment_stage_of_state_check CHECK (
    CASE stage WHEN 'done' THEN state IN ('COMPLETED', 'REJECTED', 'ERROR') AND NOT has_hold
               WHEN 'review' THEN state = 'REVIEW' AND due IS NOT NULL AND has_hold = (method = 'balance')
               WHEN 'unknown' THEN state = 'UNKNOWN' AND due IS NOT NULL AND has_hold
               WHEN 'reversing' THEN state = 'UNKNOWN' AND due IS NOT NULL AND has_hold
               WHEN 'asked' THEN state = 'PROCESSING' AND has_hold
               WHEN 'ready' THEN state = 'PROCESSING' AND due IS NOT NULL
               ELSE state = 'PROCESSING' END)
) WITH (fillfactor = 70);

-- What has to be done about a payment, and when, even if nobody says anything: a charge or an inquiry needs room at the
-- bank, and does not stand in the way of what needs none. Rows are inserted and deleted.
CREATE TABLE due (
  payment_id uuid PRIMARY KEY,
  chore      text COLLATE "C" NOT NULL CHECK (chore IN ('review', 'card', 'charge', 'inquiry')),
  at         timestamptz NOT NULL
);
CREATE INDEX due_chore_at_idx ON due (chore, at);

-- The payments of each process. Rows are inserted and deleted.
CREATE TABLE claim (
  payment_id uuid PRIMARY KEY,
  owner      uuid NOT NULL
);
-- A process's claims are read page by page.
CREATE INDEX claim_owner_idx ON claim (owner, payment_id);

-- What the bank was asked, and what it answered: a row before each call.
CREATE TABLE attempt (
  payment_id  uuid NOT NULL,
  asked_at    timestamptz NOT NULL,
  call        text COLLATE "C" NOT NULL CHECK (call IN ('charge', 'inquire', 'reverse')),
  answered_at timestamptz,
  answer      text COLLATE "C",
  detail      text CHECK (octet_length(detail) <= 1000),
  PRIMARY KEY (payment_id, asked_at)
);

-- What contradicts the books, for a person.
CREATE TABLE exception (
  payment_id uuid NOT NULL,
  kind       text COLLATE "C" NOT NULL,
  opened_at  timestamptz NOT NULL DEFAULT now(),
  detail     text,
  closed_at  timestamptz,
  closed_by  text,
  note       text,
  PRIMARY KEY (payment_id, kind)
);
CREATE INDEX exception_open_idx ON exception (opened_at) WHERE closed_at IS NULL;

-- The orders whose payments are COMPLETED and which the saga has not settled yet. Rows are inserted with the payment's
-- state and deleted once the saga has answered for good. Whoever asks the saga moves `at` on first, so that nobody else
-- asks meanwhile.
CREATE TABLE settlement (
  payment_id    uuid PRIMARY KEY,
  order_id      bigint NOT NULL CHECK (order_id > 0),
  since         timestamptz NOT NULL DEFAULT now(),
  at            timestamptz NOT NULL DEFAULT now(),
  attempts      integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  -- For how many microseconds the saga has been asked and has not known the order. The time in which it does not answer,
  -- or nobody asks, is not counted.
  unknown_for   bigint NOT NULL DEFAULT 0 CHECK (unknown_for >= 0),
  last_error    text CHECK (octet_length(last_error) <= 1000)
);
CREATE INDEX settlement_at_idx ON settlement (at);
