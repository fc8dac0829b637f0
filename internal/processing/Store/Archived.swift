internal import Postgres
internal import Values

/// Payments of a transaction that no live row is of: archived ones, and those that have been dropped since.
struct Archived {
  private(set) var stored: [UniqueID: StoredPayment] = [:]
  private(set) var unreadable: [UniqueID: String] = [:]

  init() {}

  /// - Parameters:
  ///   - ids: the payments that are not live, or that this transaction has just inserted.
  ///   - rows: what the archive has of these and of others.
  ///   - floor: below which id payments have been dropped.
  init(_ ids: [UniqueID], _ rows: Rows, floor: Rows) throws(DatabaseError) {
    let wanted = Set(ids)
    for row in rows {
      let id = try PaymentRow.id(row)
      guard wanted.contains(id) else { continue }
      do throws(DatabaseError) {
        stored[id] = try PaymentRow.decode(row)
      } catch  where error.code == .content {
        unreadable[id] = error.message
      }
    }
    guard let floor = try floor.first?.uuid(0) else { return }
    for id in ids where id < floor && stored[id] == nil && unreadable[id] == nil {
      unreadable[id] = "it is older than what is kept"
    }
  }

  func contains(_ id: UniqueID) -> Bool { stored[id] != nil || unreadable[id] != nil }
}
