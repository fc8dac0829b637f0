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
    try QueryFields.read(items, names: Self.parameters) { (name, value) throws(RequestFault) in
      try read(name, value)
    }
    try QueryFields.requireOrder(from, to)
  }

  private mutating func read(_ name: String, _ value: String) throws(RequestFault) {
    switch name {
    case "user_id": userID = try QueryFields.value(UniqueID(value), name, "a UUID of 36 characters")
    case "status":
      let known = PaymentState.allCases.map(\.rawValue).joined(separator: ", ")
      state = try QueryFields.value(PaymentState(rawValue: value), name, "one of \(known)")
    case "from": from = try QueryFields.moment(value, name)
    case "to": to = try QueryFields.moment(value, name)
    case "order_id":
      orderID = try QueryFields.value(Int64(value).flatMap { $0 > 0 ? $0 : nil }, name, "an integer above zero")
    case "external_id":
      let isName = (1...PaymentRequest.maximumName).contains(value.utf8.count) && !value.hasControlCharacter
      externalID = try QueryFields.value(isName ? value : nil, name, "1 to \(PaymentRequest.maximumName) bytes of text")
    case "limit": limit = try QueryFields.limit(value, name)
    default:
      guard let cursor = PaymentCursor(value) else {
        throw RequestFault(.invalidCursor, name, "expected the cursor of a page, as it was given")
      }
      after = cursor
    }
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
