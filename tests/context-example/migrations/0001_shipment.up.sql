CREATE TABLE shipment (
  order_id bigint PRIMARY KEY CHECK (order_id > 0),
  opened_at timestamptz NOT NULL DEFAULT now()
);
