internal import Postgres
internal import Tracing
internal import Values

/// How the events of webhooks are written: a row a new state and endpoint that is told of it, in the statement that
/// writes the state into the history. What the history has already is no event.
///
/// A delivery's id is a UUID of version 7 with the time of the state and, in place of random bits, an MD5 of payment or
/// refund, version and endpoint: whatever writes the same event again writes the same id.
enum WebhookEvents {
  /// States into a history, and the deliveries of those that are new.
  /// - Parameters:
  ///   - history: the table of states.
  ///   - states: a query of payment_id, version, state, reason and at.
  ///   - traces: the number of the first of the two parameters that `traces(of:_:)` makes.
  static func insert(_ states: String, into history: String, traces: Int, _ t: GatewayTables) -> String {
    """
    WITH written AS (
      INSERT INTO \(history) (payment_id, version, state, reason, at) \(states)
      ON CONFLICT DO NOTHING RETURNING payment_id, version, state, reason, at)
    INSERT INTO \(t.webhookQueue) (endpoint_id, id, payment_id, version, state, reason, at, traceparent)
    SELECT e.id, \(id(at: "s.at")), s.payment_id, s.version, s.state, s.reason, s.at, r.traceparent
    FROM written s JOIN \(t.webhookEndpoint) e ON \(tells("payment", "s.state"))
    \(recorded(traces))
    CROSS JOIN LATERAL \(digest("s.payment_id", "s.version"))
    ON CONFLICT DO NOTHING
    """
  }

  /// The deliveries of states of refunds: `$1` their ids, `$2` those of the payments, `$3` to `$6` version, state,
  /// reason and time, `$7` and `$8` what `traces(of:_:)` makes. Of those whose payment is here: the others are another
  /// installation's.
  static func insertRefunds(_ t: GatewayTables) -> String {
    """
    INSERT INTO \(t.webhookQueue) (endpoint_id, id, payment_id, refund_id, version, state, reason, at, traceparent)
    SELECT e.id, i.id, s.payment_id, s.refund_id, s.version, s.state, s.reason, s.at, r.traceparent
    FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[])
      AS s(refund_id, payment_id, version, state, reason, at)
    JOIN \(t.webhookEndpoint) e ON \(tells("refund", "s.state"))
    \(recorded(7))
    CROSS JOIN LATERAL \(digest("s.refund_id", "s.version"))
    CROSS JOIN LATERAL (SELECT \(id(at: "s.at")) AS id) i
    WHERE (EXISTS (SELECT FROM \(t.payment) p WHERE p.id = s.payment_id)
           OR EXISTS (SELECT FROM \(t.paymentArchive) a WHERE a.id = s.payment_id))
      AND NOT EXISTS (SELECT FROM \(t.webhookDelivery) d WHERE d.id = i.id)
    ON CONFLICT DO NOTHING
    """
  }

  /// The recorded traces of payments, which a statement takes as two parameters; most payments have none.
  static func traces(of payments: some Sequence<UniqueID>, _ book: TraceBook) -> [Parameter] {
    guard book.tracer.isOn else { return [.uuidArray([]), .textArray([])] }
    let known = Set(payments).sorted().compactMap { id in book.trace(of: id).map { (id: id, trace: $0.traceparent) } }
    return [.uuidArray(known.map(\.id)), .textArray(known.map(\.trace))]
  }

  private static func recorded(_ first: Int) -> String {
    "LEFT JOIN unnest($\(first)::uuid[], $\(first + 1)::text[]) r(payment_id, traceparent) "
      + "ON r.payment_id = s.payment_id"
  }

  private static func tells(_ subject: String, _ state: String) -> String {
    "e.state = 'enabled' AND e.events && ARRAY['*', '\(subject).*', '\(subject).' || lower(\(state))] COLLATE \"C\""
  }

  private static func digest(_ subject: String, _ version: String) -> String {
    "(SELECT md5(concat_ws('.', \(subject), \(version), e.id)) AS digits) h"
  }

  private static func id(at moment: String) -> String {
    let milliseconds = "lpad(to_hex(floor(extract(epoch FROM \(moment)) * 1000)::bigint), 12, '0')"
    return "(\(milliseconds) || '7' || left(h.digits, 3) || '8' || substr(h.digits, 4, 15))::uuid"
  }
}
