public import Values

/// How far a stream of a user's payments has come: each payment before `start` is final and was sent so, but for those
/// in `open`. The stream goes on from there without a loss, whatever gateway serves it. Pure.
public struct LivePosition: Sendable, Hashable {
  /// How long a payment may take from the moment that its id tells until it can be read: its commit comes later, and
  /// clocks of gateways differ. A stream goes on that much earlier, and so sends some payments again.
  public static let slack = Duration.seconds(300)
  /// Open payments that are remembered.
  private static let maximumOpen = 64
  /// Open payments that the text names; with more of them it begins earlier.
  private static let maximumNamed = 8

  private var low: UniqueID
  /// Payments that were seen and not final, ascending.
  public private(set) var open: [UniqueID]
  /// No open payment that is not remembered is older.
  private var forgotten: UniqueID?

  /// Nothing is known of payments from this id on, and nothing is open before it.
  public init(from start: UniqueID) {
    low = start
    open = []
  }

  /// A position with which nothing after the slack is missed from now on.
  public init(at now: Timestamp) { self.init(from: Self.settled(now)) }

  /// The first payment that may have to be sent.
  public var start: UniqueID { min(low, forgotten ?? low) }

  /// All payments before this one were sent; it has no effect when more was reached already.
  public mutating func reach(_ id: UniqueID) { low = max(low, id) }

  /// The same for all payments that can be read for sure.
  public mutating func reach(now: Timestamp) { reach(Self.settled(now)) }

  /// What was taken in before it can be read.
  private static func settled(_ now: Timestamp) -> UniqueID { .lowest(at: now + (.zero - slack)) }

  /// A payment was sent.
  public mutating func sent(_ id: UniqueID, isFinal: Bool) {
    let index = open.firstIndex { $0 >= id } ?? open.count
    let isThere = index < open.count && open[index] == id
    guard !isFinal else {
      if isThere { open.remove(at: index) }
      return
    }
    guard !isThere else { return }
    open.insert(id, at: index)
    if open.count > Self.maximumOpen, let dropped = open.popLast() { forgotten = min(dropped, forgotten ?? dropped) }
  }

  /// The position as the id of an event: 22 letters for the start and as many for each open payment before it.
  public var text: String {
    var start = start
    var named = open.prefix { $0 < start }
    if named.count > Self.maximumNamed {
      start = named[Self.maximumNamed]
      named = named.prefix(Self.maximumNamed)
    }
    var bytes: [UInt8] = []
    start.appendLetters(to: &bytes)
    for id in named {
      bytes.append(UInt8(ascii: "."))
      id.appendLetters(to: &bytes)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Reads what `text` makes; nil for anything else.
  public init?(_ text: some StringProtocol) {
    let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard (1...Self.maximumNamed + 1).contains(parts.count) else { return nil }
    let ids = parts.compactMap { UniqueID(letters: $0) }
    guard ids.count == parts.count else { return nil }
    self.init(from: ids[0])
    open = Set(ids.dropFirst()).sorted()
  }
}
