"""Statements of the benchmarks. Those of the relay are read from its source, so that what is measured is what runs."""

import re

from harness.process import ROOT

# Made as the cron jobs make them, and found by them under these names.
DAYS = """
DO $$
DECLARE day date;
BEGIN
  FOR n IN 0..7 LOOP
    day := (clock_timestamp() AT TIME ZONE 'UTC')::date + n;
    EXECUTE format('CREATE TABLE event_done_%s PARTITION OF event_done FOR VALUES FROM (%L) TO (%L)',
      to_char(day, 'YYYYMMDD'), day || 'T00:00:00Z', day + 1 || 'T00:00:00Z');
  END LOOP;
END $$
"""

HEADERS = "ARRAY['ce_type', 'paysaga.payment.created', 'ce_source', '/paysaga/payments']"

# Events of orders $1 to $2, one an order, spread evenly over the 64 shards.
WAITING = f"""
INSERT INTO event (event_id, shard, key, seq, topic, payload, headers)
SELECT id, (n % 64)::smallint, n::text, 1, 'payment',
       convert_to(format('{{"idempotent_key":"%s","order_id":%s,"status":"CREATED","payment_id":%s,"version":1,'
         '"reason":"","occurred_at":"2026-01-01T00:00:00.000000Z"}}', id, n, n), 'UTF8'), {HEADERS}
FROM (SELECT n, gen_random_uuid() AS id FROM generate_series($1::bigint, $2::bigint) n) q ORDER BY q.n
"""


# The tables as the statements of an outbox name them that is found by search_path.
TABLES = {"event": "event", "wait": "event_wait", "done": "event_done", "dead": "event_dead", "shard": "event_shard",
          "relay": "event_relay", "topicPause": "event_topic_pause", "operationLog": "operation_log"}


def relay_source() -> str:
    source = (ROOT / "internal/data/Outbox/RelayStatements.swift").read_text()
    return re.sub(r"\\\(t\.(\w+)\)", lambda match: TABLES.get(match[1], match[0]), source)


def relay_text(name: str) -> str:
    """A text of RelayStatements.swift that its statements have in common."""
    found = re.search(rf'static let {name} = (?:"""\n(.*?)\n\s*"""|"([^\n]*)"\n)', relay_source(), re.DOTALL)
    assert found, f"RelayStatements.swift has no text {name} of the known form"
    return found[1] or found[2]


def relay_statement(name: str) -> str:
    """The text of a statement of RelayStatements.swift, with what is put into it."""
    fence = re.search(r'func fence\(_ t: OutboxTables, _ history: String\).*?"""\n(.*?)\n\s*"""', relay_source(), re.DOTALL)
    found = re.search(
        rf'static func {name}\(_ t: OutboxTables\) -> Statement {{\s*Statement\(\s*(?:fence\(t, "(\$\d+)"\) \+ )?"""\n'
        r'(.*?)\n\s*"""\)', relay_source(), re.DOTALL)
    assert fence and found, f"RelayStatements.swift has no statement {name} of the known form"
    head = fence[1].replace("\\(Self.history)", relay_text("history")) if found[1] else ""
    return head.replace("\\(history)", found[1] or "") + found[2].replace("\\(attempted)", relay_text("attempted"))


def read_statement() -> str:
    """The text of the relay's read, of one that holds keys behind a dead event, as it does by default."""
    body = re.search(
        r'func readWaiting\(_ t: OutboxTables, unless held: String\).*?"""\n(.*?)\n\s*"""\)', relay_source(), re.DOTALL)
    held = re.search(r'readWaiting\(t, unless: "(AND .*?)"\)', relay_source(), re.DOTALL)
    assert body and held, "RelayStatements.swift has no read of the known form"
    return body[1].replace("\\(held)", held[1]).replace("\\(history)", relay_text("history"))


def fill(statement: str, **names: str) -> str:
    """The statement with its parameters $1, $2, … replaced by expressions p1, p2, …"""
    return re.sub(r"\$(\d+)", lambda match: names[f"p{match[1]}"], statement)


def move_procedure() -> str:
    """The relay's fenced move to DONE as a loop in the database, oldest first, a COMMIT a batch.

    It expects ids from 1 without gaps, as `WAITING` makes them in a new database.
    """
    move = fill(relay_statement("markDone"), p1="holder", p2="all_shards", p3="epochs", p4="shards", p5="ids",
                p6="event_ids", p7="history")
    return f"""
CREATE PROCEDURE bench_move(total bigint, batch bigint) LANGUAGE plpgsql AS $procedure$
DECLARE
  holder text := 'bench'; all_shards smallint[]; epochs bigint[]; shards smallint[]; ids bigint[]; event_ids uuid[];
  history text := {relay_text('history')};
  moved bigint := 0; part record;
BEGIN
  UPDATE event_shard SET owner = holder, epoch = epoch + 1, reserved_to = clock_timestamp() + interval '1 hour';
  SELECT array_agg(shard ORDER BY shard), array_agg(epoch ORDER BY shard) INTO all_shards, epochs FROM event_shard;
  COMMIT;
  FOR start IN 0..total - 1 BY batch LOOP
    SELECT array_agg(e.shard), array_agg(e.id), array_agg(e.event_id) INTO shards, ids, event_ids
    FROM unnest(all_shards) s(shard) CROSS JOIN LATERAL (
      SELECT w.shard, w.id, w.event_id FROM event_wait w WHERE w.shard = s.shard AND w.id > start AND w.id <= start + batch) e;
    FOR part IN {move} LOOP moved := moved + part.moved; END LOOP;
    COMMIT;
  END LOOP;
  IF moved <> total THEN RAISE EXCEPTION 'moved % of %', moved, total; END IF;
END $procedure$"""


CREATE_PROCEDURE = f"""
CREATE PROCEDURE bench_create(total bigint, batch bigint) LANGUAGE plpgsql AS $procedure$
BEGIN
  FOR start IN 0..total - 1 BY batch LOOP
    WITH opened AS (
      INSERT INTO payment (order_id, amount_minor, currency, idempotent_key, expires_at)
      SELECT n, 0, NULL, gen_random_uuid(), now() + interval '1 day'
      FROM generate_series(start + 1, start + batch) n ORDER BY n
      ON CONFLICT (order_id) DO NOTHING RETURNING id, order_id, version, gen_random_uuid() AS event_id)
    INSERT INTO event (event_id, shard, key, seq, topic, payload, headers)
    SELECT event_id, (order_id % 64)::smallint, order_id::text, version, 'payment',
           convert_to(format('{{"idempotent_key":"%s","order_id":%s,"status":"CREATED","payment_id":%s,"version":1,'
             '"reason":"","occurred_at":"2026-01-01T00:00:00.000000Z"}}', event_id, order_id, id), 'UTF8'), {HEADERS}
    FROM opened ORDER BY order_id;
    COMMIT;
  END LOOP;
END $procedure$"""

# Open payments of orders $1 to $2.
OPEN_PAYMENTS = """
INSERT INTO payment (order_id, idempotent_key, expires_at)
SELECT n, gen_random_uuid(), now() + interval '1 day' FROM generate_series($1::bigint, $2::bigint) n ORDER BY n
"""
