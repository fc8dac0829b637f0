public import DirectDomain
public import Values

/// Which payments to list, newest first.
public struct PaymentFilter: Sendable, Hashable {
  /// The most payments of a page.
  public static let maximumLimit = 100
  /// The payments of a page where the caller names no number.
  public static let defaultLimit = 25
  /// The parameters' names.
  public static let parameters = [
    "user_id", "status", "from", "to", "order_id", "external_id", "limit", "after",
  ]

  /// Who pays.
  public var userID: UniqueID?
  /// The state.
  public var state: PaymentState?
  /// Created at this moment or later.
  public var from: Timestamp?
  /// Created before this moment.
  public var to: Timestamp?
  /// The saga's order.
  public var orderID: Int64?
  /// The caller's own id.
  public var externalID: String?
  /// From 1 to `maximumLimit`.
  public var limit = Self.defaultLimit
  /// Where the page before ended.
  public var after: PaymentCursor?

  /// All payments.
  public init() {}

  /// Reads the parameters of a query.
  /// - Parameter items: names and values, decoded. An unknown name, or one that comes twice, is refused.
  public init(_ items: [(name: String, value: String)]) throws(RequestFault) {
    var seen: Set<String> = []
    for (name, value) in items {
      guard Self.parameters.contains(name) else {
        throw RequestFault(.unknownParameter, nil, "expected only \(Self.parameters.joined(separator: ", "))")
      }
      guard seen.insert(name).inserted else { throw RequestFault(.invalidParameter, name, "expected it once") }
      try read(name, value)
    }
    if let from, let to, to < from { throw RequestFault(.invalidParameter, "to", "expected no moment before from") }
  }

  private mutating func read(_ name: String, _ value: String) throws(RequestFault) {
    switch name {
    case "user_id": userID = try Self.value(UniqueID(value), name, "a UUID of 36 characters")
    case "status":
      let known = PaymentState.allCases.map(\.rawValue).joined(separator: ", ")
      state = try Self.value(PaymentState(rawValue: value), name, "one of \(known)")
    case "from": from = try Self.moment(value, name)
    case "to": to = try Self.moment(value, name)
    case "order_id":
      orderID = try Self.value(Int64(value).flatMap { $0 > 0 ? $0 : nil }, name, "an integer above zero")
    case "external_id":
      let isName = (1...PaymentRequest.maximumName).contains(value.utf8.count) && !value.hasControlCharacter
      externalID = try Self.value(isName ? value : nil, name, "1 to \(PaymentRequest.maximumName) bytes of text")
    case "limit":
      let number = Int(value).flatMap { (1...Self.maximumLimit).contains($0) ? $0 : nil }
      limit = try Self.value(number, name, "an integer from 1 to \(Self.maximumLimit)")
    default:
      guard let cursor = PaymentCursor(value) else {
        throw RequestFault(.invalidCursor, name, "expected the cursor of a page, as it was given")
      }
      after = cursor
    }
  }

  private static func moment(_ text: String, _ name: String) throws(RequestFault) -> Timestamp {
    try value(Timestamp(rfc3339: text), name, "a time of RFC 3339, such as 2026-01-31T08:15:00Z")
  }

  private static func value<Value>(_ value: Value?, _ name: String, _ expected: String) throws(RequestFault) -> Value {
    guard let value else { throw RequestFault(.invalidParameter, name, "expected \(expected)") }
    return value
  }

  /// The ids between which the payments lie, the second excluded: ids tell their payments' time to the millisecond.
  public var ids: (first: UniqueID?, end: UniqueID?) {
    let end = [to.map(Self.bound), after?.id].compactMap(\.self).min()
    return (from.map(Self.bound), end)
  }

  /// The first id of the first whole millisecond that is not before the moment.
  private static func bound(_ moment: Timestamp) -> UniqueID {
    .lowest(at: moment + .microseconds(999))
  }
}
