internal import Crypto
internal import LedgerDomain
internal import Values

/// Makes blocks of transfers that come one after the other.
struct BlockBuilder: ~Copyable {
  /// How many bytes are gathered before they are hashed.
  private static let chunk = 64 * 1_024

  private var stream = SHA256Stream()
  private var bytes: [UInt8] = []
  private var lastAt = SealingPlan.dawn
  /// How many transfers the open block has.
  private(set) var count: Int64 = 0
  /// The transaction of the newest one.
  private(set) var transaction: Int64 = 0

  mutating func add(_ transfer: ChainedTransfer) {
    transfer.append(to: &bytes)
    if bytes.count >= Self.chunk { hash() }
    lastAt = max(lastAt, transfer.at)
    transaction = transfer.transaction
    count += 1
  }

  private mutating func hash() {
    // Out of the way of `stream`, without a copy.
    var chunk: [UInt8] = []
    swap(&chunk, &bytes)
    stream.update(chunk.span.bytes)
    chunk.removeAll(keepingCapacity: true)
    swap(&chunk, &bytes)
  }

  /// Ends the open block, and begins the next one.
  /// - Parameters:
  ///   - range: its transactions.
  ///   - previous: the block before; nil for the first.
  mutating func finish(
    _ range: Range<Int64>, laterThan: Timestamp, history: Int64, after previous: ChainBlock?
  ) -> ChainBlock {
    var block = ChainBlock(
      number: (previous?.number ?? 0) &+ 1, range: range, laterThan: laterThan,
      lastAt: max(lastAt, previous?.lastAt ?? lastAt), count: count, hash: [], history: history)
    hash()
    let header = block.header(previous: previous?.hash ?? ChainBlock.beginning, content: stream.finish())
    block.hash = SHA256.digest(of: header.span.bytes)
    count = 0
    lastAt = SealingPlan.dawn
    return block
  }
}
