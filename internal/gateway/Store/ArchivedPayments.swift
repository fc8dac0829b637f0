/// Payments in the archive by their ids. Each is looked for in its month alone, which the planner does for one id at a
/// time (PostgreSQL 15, section 5.11.4).
enum ArchivedPayments {
  /// Finds those of `$1` with the columns of `PaymentRow`.
  static func find(_ t: GatewayTables) -> String {
    """
    SELECT \(PaymentRow.columns) FROM unnest($1::uuid[]) u(id)
    CROSS JOIN LATERAL (SELECT * FROM \(t.paymentArchive) a WHERE a.id = u.id OFFSET 0) p
    """
  }
}
