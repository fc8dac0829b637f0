/// A column of an answer, by its place in the SELECT or RETURNING list.
///
/// A statement of several columns has their names beside it, in an enum:
///
///     private enum Column: Int, AnswerColumn { case orderID, status }
///     private static let find = Statement("SELECT order_id, status::text FROM shipment", isReadOnly: true)
///
///     let order = try row.int64(Column.orderID)
///
/// A case's number is its column's place, counted from zero, so that reading by name costs nothing. Debug builds, and
/// so all tests, compare the names of each answer's first row: `order_id` is `orderID`. The only column of an answer
/// may be read as `0`.
public protocol AnswerColumn: Sendable {
  /// The column's place, counted from zero.
  var place: Int { get }
  /// The column's name without underscores; nil when any name will do.
  var name: String? { get }
}

extension AnswerColumn where Self: RawRepresentable<Int> {
  /// The number of the case.
  @inlinable public var place: Int { rawValue }
  /// The name of the case.
  public var name: String? { "\(self)" }
}

/// A place without a name, for answers of one column.
extension Int: AnswerColumn {
  /// The number itself.
  @inlinable public var place: Int { self }
  /// Any name will do.
  public var name: String? { nil }
}

extension Row {
  /// Where a column is; our bug when the statement has another one there.
  @inlinable
  func place(of column: some AnswerColumn) -> Int {
    assert(hasName(of: column), "\(column) is not what the statement has at place \(column.place)")
    return column.place
  }

  @usableFromInline
  func hasName(of column: some AnswerColumn) -> Bool {
    guard index == 0, let expected = column.name else { return true }
    return name(of: column.place).lowercased().filter { $0 != "_" } == expected.lowercased()
  }
}
