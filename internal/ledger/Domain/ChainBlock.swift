public import Values

/// A block of the chain over all transfers.
///
/// It has the transfers of the transactions in `range` that are later than `laterThan`, in the order of their
/// transactions, those of one transaction by id.
public struct ChainBlock: Sendable, Hashable {
  /// The hash that the first block has before it.
  public static let beginning = [UInt8](repeating: 0, count: 32)

  /// From 1, without a gap.
  public var number: Int64
  /// The transactions: from the first on, before the end.
  public var range: Range<Int64>
  /// Where transaction numbers have begun anew, as after the restore of a dump: its transfers are later.
  public var laterThan: Timestamp
  /// The latest transfer of this block and of those before.
  public var lastAt: Timestamp
  /// How many transfers it has, from 1.
  public var count: Int64
  /// SHA-256 of `header`, 32 bytes.
  public var hash: [UInt8]
  /// The server that numbered the transactions.
  public var history: Int64

  /// A block as a table has it.
  public init(
    number: Int64, range: Range<Int64>, laterThan: Timestamp, lastAt: Timestamp, count: Int64, hash: [UInt8],
    history: Int64
  ) {
    self.number = number
    self.range = range
    self.laterThan = laterThan
    self.lastAt = lastAt
    self.count = count
    self.hash = hash
    self.history = history
  }

  /// The bytes under the block's hash.
  /// - Parameters:
  ///   - previous: the hash of the block before; `beginning` for the first.
  ///   - content: SHA-256 of the canonical bytes of all its transfers, one after the other.
  public func header(previous: [UInt8], content: [UInt8]) -> [UInt8] {
    var bytes = previous
    bytes.append(canonical: number)
    bytes.append(canonical: range.lowerBound)
    bytes.append(canonical: range.upperBound)
    bytes.append(canonical: laterThan)
    bytes.append(canonical: lastAt)
    bytes.append(canonical: count)
    return bytes + content
  }

  /// Whether it may follow a block: the next number, and the transactions from there on, or all of them anew.
  /// - Parameter previous: nil for the first.
  public func follows(_ previous: ChainBlock?) -> Bool {
    guard let previous else { return number == 1 && range.lowerBound == 0 }
    let isNext = number == previous.number &+ 1
    if laterThan == previous.laterThan { return isNext && range.lowerBound == previous.range.upperBound }
    return isNext && range.lowerBound == 0 && laterThan >= previous.lastAt
  }
}
