/// What transfers change on their accounts, as SQL.
enum EntrySums {
  /// A query of `account`, `posted` and `pending`, and a further column of the transfers: a row or two a transfer, more
  /// of a post or void.
  /// - Parameters:
  ///   - source: a name of transfers with `kind`, `debit`, `credit`, `amount`, `pending_id` and that column.
  ///   - column: the further column.
  ///   - holds: the table in which the holds of posts and voids are.
  static func changes(of source: String, _ column: String, holds: String) -> String {
    """
    SELECT debit AS account, \(column), CASE WHEN kind IN (1, 3) THEN -amount ELSE 0 END AS posted,
           CASE kind WHEN 2 THEN amount ELSE 0 END AS pending FROM \(source)
    UNION ALL SELECT credit, \(column), amount, 0 FROM \(source) WHERE kind IN (1, 3)
    UNION ALL SELECT r.debit, r.\(column), 0, -h.amount FROM \(source) r JOIN \(holds) h ON h.id = r.pending_id
    WHERE r.kind IN (3, 4)
    """
  }
}
