public import Values

/// A transfer as a block covers it: what its row holds, whether or not a transfer of ours looks so.
public struct ChainedTransfer: Sendable, Hashable {
  /// The transfer's id.
  public var id: UniqueID
  /// A raw value of `Transfer.Kind`, or one that is not known.
  public var kind: Int16
  /// The account that pays.
  public var debit: UniqueID
  /// The account that is paid.
  public var credit: UniqueID
  /// In minor units.
  public var amount: Int64
  /// The currency's code.
  public var currency: String
  /// The hold of a post or void.
  public var pendingID: UniqueID?
  /// When it was written.
  public var at: Timestamp
  /// The transaction that wrote it.
  public var transaction: Int64

  /// A row.
  public init(
    id: UniqueID, kind: Int16, debit: UniqueID, credit: UniqueID, amount: Int64, currency: String,
    pendingID: UniqueID?, at: Timestamp, transaction: Int64
  ) {
    self.id = id
    self.kind = kind
    self.debit = debit
    self.credit = credit
    self.amount = amount
    self.currency = currency
    self.pendingID = pendingID
    self.at = at
    self.transaction = transaction
  }

  /// Appends its canonical bytes: each column as PostgreSQL sends it in binary, so that SQL can make them too. The
  /// currency has its length in front, the hold a byte that says whether there is one.
  public func append(to bytes: inout [UInt8]) {
    bytes.append(canonical: id)
    bytes.append(canonical: kind)
    bytes.append(canonical: debit)
    bytes.append(canonical: credit)
    bytes.append(canonical: amount)
    bytes.append(canonical: Int32(truncatingIfNeeded: currency.utf8.count))
    bytes.append(contentsOf: currency.utf8)
    bytes.append(pendingID == nil ? 0 : 1)
    if let pendingID { bytes.append(canonical: pendingID) }
    bytes.append(canonical: at)
    bytes.append(canonical: transaction)
  }
}

extension [UInt8] {
  mutating func append(canonical number: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: number.bigEndian) { append(contentsOf: $0) }
  }

  mutating func append(canonical id: UniqueID) {
    append(canonical: id.high)
    append(canonical: id.low)
  }

  /// In microseconds since 2000, as PostgreSQL has it; what is out of range wraps around, and never traps.
  mutating func append(canonical moment: Timestamp) { append(canonical: moment.microseconds &- 946_684_800_000_000) }
}
