public import Postgres

/// Whose fault it is that the database refused to write a payment and its event.
///
/// The call's or the message's is what its own values cause: out of range, or in the way of what is stored under the
/// same order. Everything else is the tables' fault: a sequence that is behind after a restore, a constraint that is
/// not ours, a missing day. It would refuse all the others as well, so they wait until somebody mends it.
public enum WriteFault {
  /// Whether a call or message that is tried alone will be refused again, however the tables are mended.
  public static func isOfValues(_ error: DatabaseError) -> Bool {
    guard let state = error.sqlState else { return error.code == .content }
    switch state {
    // A sequence at its end.
    case "2200H": return false
    case _ where state.hasPrefix("22"): return true
    case _ where state.hasPrefix("23"): return error.constraint.map(ofValues.contains) ?? false
    default: return false
    }
  }

  /// Whether it is a constraint that refused the write, and not because of its values.
  public static func isOfTables(_ error: DatabaseError) -> Bool {
    (error.sqlState.map { $0.hasPrefix("23") || $0 == "2200H" } ?? (error.code == .schema)) && !isOfValues(error)
  }

  /// The constraints that a value alone can violate. Those of the identity columns are not among them.
  private static let ofValues: Set<String> = [
    "payment_order_id_check", "payment_reason_check", "payment_version_check",
    "payment_amount_minor_check", "payment_currency_check", "payment_version_limit", "event_seq_check",
    "event_wait_key_seq_key", "event_wait_headers_check", "idempotency_key_key_check",
  ]
}
