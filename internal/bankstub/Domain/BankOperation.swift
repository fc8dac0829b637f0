public import Money
public import Values

/// What the bank has of an operation.
public struct BankOperation: Sendable, Hashable {
  /// What became of it.
  public enum Status: String, Sendable, Hashable, CaseIterable {
    case succeed, error, reversed
    /// Nothing was done about any request.
    case none
  }

  /// The caller's id.
  public let id: UniqueID
  /// Of a refund, the operation that charged; nil of others.
  public let refundOf: UniqueID?
  /// Who pays, or is given the money back; nil of one that was never charged.
  public let userID: UniqueID?
  /// What was asked for; nil of one that was never charged.
  public let amount: Money?
  /// What became of it.
  public internal(set) var status: Status
  /// Why it is an error; empty otherwise.
  public internal(set) var error: String
  /// Requests to charge or to refund that were read, those that nothing was done about among them.
  public internal(set) var requests: Int
  /// Charges, or refunds, less what was reversed.
  public internal(set) var charges: Int
  /// How often it will still not be found.
  public internal(set) var hidden: Int
  /// When it was charged for the first time; nil of one that never was.
  public internal(set) var at: Timestamp?

  /// A line of the journal, from which the operation can be had again.
  public var line: [UInt8] {
    JSONWriter.object(reserving: 256) { line in
      line.add("operation_id", id)
      if let refundOf { line.add("refund_of", refundOf) }
      if let userID { line.add("user_id", userID) }
      if let amount {
        line.add("amount_minor", amount.minorUnits)
        line.add("currency", amount.currency.code)
      }
      line.add("status", status.rawValue)
      line.add("error", error)
      if let at { line.add("at", at.microseconds) }
      line.add("requests", requests)
      line.add("charges", charges)
      line.add("hidden", hidden)
    }
  }

  /// Reads a line of the journal. - Returns: nil for what is none, such as one that a crash has cut.
  public init?(line: [UInt8]) {
    do {
      self = try Self.read(line)
    } catch {
      return nil
    }
  }

  init(
    id: UniqueID, userID: UniqueID?, amount: Money?, status: Status, error: String = "", requests: Int, charges: Int,
    hidden: Int, at: Timestamp? = nil, refundOf: UniqueID? = nil
  ) {
    self.id = id
    self.refundOf = refundOf
    self.userID = userID
    self.amount = amount
    self.status = status
    self.error = error
    self.requests = requests
    self.charges = charges
    self.hidden = hidden
    self.at = at
  }

  /// One that was not charged.
  init(nothingOf id: UniqueID, status: Status, refundOf: UniqueID? = nil) {
    self.init(
      id: id, userID: nil, amount: nil, status: status, requests: 0, charges: 0, hidden: 0, refundOf: refundOf)
  }

  private struct Incomplete: Error {}

  private static func read(_ line: [UInt8]) throws -> BankOperation {
    var ids: [String: UniqueID] = [:]
    var texts: [String: String] = [:]
    var numbers: [String: Int64] = [:]
    var scanner = try JSONScanner(line, maximumBytes: 4_096)
    try scanner.beginObject()
    while let field = try scanner.nextKey() {
      switch field {
      case "operation_id", "user_id", "refund_of": ids[field] = try scanner.uniqueID()
      case "status", "error", "currency": texts[field] = try scanner.string()
      default: numbers[field] = try scanner.integer()
      }
    }
    try scanner.end()
    guard let id = ids["operation_id"], let status = texts["status"].flatMap(Status.init(rawValue:)),
      let requests = numbers["requests"], let charges = numbers["charges"]
    else { throw Incomplete() }
    let currency = texts["currency"].flatMap { Currency($0) }
    return BankOperation(
      id: id, userID: ids["user_id"],
      amount: currency.flatMap { currency in numbers["amount_minor"].map { Money(minorUnits: $0, currency) } },
      status: status, error: texts["error"] ?? "", requests: Int(clamping: requests), charges: Int(clamping: charges),
      hidden: Int(clamping: numbers["hidden"] ?? 0),
      at: numbers["at"].map { Timestamp(microseconds: $0) }, refundOf: ids["refund_of"])
  }
}
