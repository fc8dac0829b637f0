public import Money
public import Values

/// The payments of one user, payee, card or account in the last 24 hours, in buckets of each window and currency; those
/// that failed in the last ten minutes; and what a user has paid with.
public struct RiskHistory: Sendable, Hashable {
  /// The payments that began in one stretch of time.
  struct Bucket: Sendable, Hashable {
    let window: RiskWindow
    /// The number of the stretch, counted from 1970.
    let number: Int64
    /// The letters of the currency, one byte each.
    let currency: UInt32
    var count: Int64
    var sum: Int64

    var place: (Int, Int64, UInt32) { (window.order, number, currency) }
  }

  /// The payments that failed in a stretch of time.
  struct Failures: Sendable, Hashable {
    /// The number of the stretch, counted from 1970.
    let number: Int64
    var count: Int64
  }

  /// How far back failures are counted, as rule files say it: twenty stretches of 30 seconds, and at most one more.
  static let failureWindow = "10m"
  private static let failureStretch: Int64 = 30_000_000
  private static let failureStretches: Int64 = 20
  /// How many cards and accounts of a user are remembered; the one that was used least lately goes first.
  public static let maximumMarks = 32

  /// By window, time and currency.
  private(set) var buckets: [Bucket] = []
  /// By time.
  private(set) var failures: [Failures] = []
  /// What the user has paid with, and the user: the last use last.
  private(set) var marks: [UInt64] = []

  /// No payment.
  public init() {}

  // MARK: - Counting

  /// Counts a payment and forgets what no window covers any more.
  public mutating func add(_ amount: Money, at now: Timestamp) {
    buckets.removeAll { !$0.isCovered(at: now) }
    let currency = Self.letters(of: amount.currency)
    for window in RiskWindow.allCases {
      let number = window.number(of: now)
      let place = (window.order, number, currency)
      let index = buckets.lastIndex { $0.place <= place }
      if let index, buckets[index].place == place {
        buckets[index].count = buckets[index].count.adding(saturating: 1)
        buckets[index].sum = buckets[index].sum.adding(saturating: amount.minorUnits)
      } else {
        let bucket = Bucket(window: window, number: number, currency: currency, count: 1, sum: amount.minorUnits)
        buckets.insert(bucket, at: index.map { $0 + 1 } ?? 0)
      }
    }
  }

  /// What each window covers.
  /// - Parameter currency: of the sums. Counts are over all currencies.
  public func usage(at now: Timestamp, in currency: Currency) -> RiskUsage {
    let currency = Self.letters(of: currency)
    var usage = RiskUsage()
    for bucket in buckets where bucket.isCovered(at: now) {
      usage[bucket.window].add(count: bucket.count, sum: bucket.currency == currency ? bucket.sum : 0)
    }
    return usage
  }

  private static func letters(of currency: Currency) -> UInt32 {
    currency.code.utf8.reduce(0) { $0 << 8 | UInt32($1) }
  }

  // MARK: - Failures

  /// Counts a payment that failed, and forgets what is too old.
  public mutating func addFailure(at now: Timestamp) {
    failures.removeAll { !Self.isRecent($0, now) }
    let number = Self.failureNumber(of: now)
    let index = failures.lastIndex { $0.number <= number }
    if let index, failures[index].number == number {
      failures[index].count = failures[index].count.adding(saturating: 1)
    } else {
      failures.insert(Failures(number: number, count: 1), at: index.map { $0 + 1 } ?? 0)
    }
  }

  /// How many payments failed lately.
  public func failureCount(at now: Timestamp) -> Int64 {
    failures.reduce(0) { Self.isRecent($1, now) ? $0.adding(saturating: $1.count) : $0 }
  }

  private static func failureNumber(of moment: Timestamp) -> Int64 { max(0, moment.microseconds) / failureStretch }

  /// Also stretches that have yet to come, as for `buckets`.
  private static func isRecent(_ failures: Failures, _ now: Timestamp) -> Bool {
    let present = failureNumber(of: now)
    return (present - failureStretches...present + failureStretches).contains(failures.number)
  }

  // MARK: - First use

  /// Remembers what a user pays with, the user included.
  public mutating func remember(_ keys: [RiskKey]) {
    let new = keys.map(\.mark)
    marks.removeAll { new.contains($0) }
    marks += new
    marks.removeFirst(max(0, marks.count - Self.maximumMarks))
  }

  /// Whether it is a user's, with what the user has paid with.
  public var isRemembered: Bool { !marks.isEmpty }

  /// Whether the user has paid with this before. Who was counted lately has paid, though nothing was remembered then.
  public func knows(_ key: RiskKey) -> Bool {
    marks.contains(key.mark) || key.subject == .user && !buckets.isEmpty
  }

  // MARK: - Bytes

  private static let format: UInt8 = 1
  /// What begins a stretch of failures, and a mark, where buckets have their window.
  private static let failureTag: UInt8 = 3
  private static let markTag: UInt8 = 4

  /// The bytes of a row: a format number, then each bucket as window, number, currency, count and sum, integers in
  /// groups of seven bits, the lowest first (LEB128); then each stretch of failures as 3, number and count, and each
  /// mark as 4 and its eight bytes, the highest first.
  public var packed: [UInt8] {
    var bytes = [Self.format]
    bytes.reserveCapacity(1 + buckets.count * 14 + failures.count * 7 + marks.count * 9)
    for bucket in buckets {
      bytes.append(UInt8(truncatingIfNeeded: bucket.window.order))
      Self.pack(bucket.number, into: &bytes)
      for shift: UInt32 in [16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: bucket.currency >> shift)) }
      Self.pack(bucket.count, into: &bytes)
      Self.pack(bucket.sum, into: &bytes)
    }
    for failures in failures {
      bytes.append(Self.failureTag)
      Self.pack(failures.number, into: &bytes)
      Self.pack(failures.count, into: &bytes)
    }
    for mark in marks {
      bytes.append(Self.markTag)
      for shift in stride(from: UInt64(56), through: 0, by: -8) {
        bytes.append(UInt8(truncatingIfNeeded: mark >> shift))
      }
    }
    return bytes
  }

  /// Reads `packed`; nil for anything else.
  public init?(packed bytes: [UInt8]) {
    var rest = bytes[...]
    guard rest.popFirst() == Self.format else { return nil }
    var last: UInt8 = 0
    while let tag = rest.popFirst() {
      guard tag >= last else { return nil }
      last = tag
      let isRead =
        switch tag {
        case Self.failureTag: unpackFailures(&rest)
        case Self.markTag: unpackMark(&rest)
        default: unpackBucket(tag, &rest)
        }
      guard isRead else { return nil }
    }
  }

  private mutating func unpackBucket(_ order: UInt8, _ rest: inout ArraySlice<UInt8>) -> Bool {
    guard let window = RiskWindow.allCases.first(where: { $0.order == Int(order) }),
      let number = Self.unpack(&rest), let currency = Self.unpackLetters(&rest), let count = Self.unpack(&rest),
      let sum = Self.unpack(&rest)
    else { return false }
    let bucket = Bucket(window: window, number: number, currency: currency, count: count, sum: sum)
    if let last = buckets.last, last.place >= bucket.place { return false }
    buckets.append(bucket)
    return true
  }

  private mutating func unpackFailures(_ rest: inout ArraySlice<UInt8>) -> Bool {
    guard let number = Self.unpack(&rest), let count = Self.unpack(&rest) else { return false }
    if let last = failures.last, last.number >= number { return false }
    failures.append(Failures(number: number, count: count))
    return true
  }

  private mutating func unpackMark(_ rest: inout ArraySlice<UInt8>) -> Bool {
    guard rest.count >= 8, marks.count < Self.maximumMarks else { return false }
    let mark = rest.prefix(8).reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
    rest = rest.dropFirst(8)
    if marks.contains(mark) { return false }
    marks.append(mark)
    return true
  }

  private static func pack(_ value: Int64, into bytes: inout [UInt8]) {
    var rest = UInt64(bitPattern: value)
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  /// - Returns: nil for a negative number, and for one that is not written as `pack` does.
  private static func unpack(_ bytes: inout ArraySlice<UInt8>) -> Int64? {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 63, by: 7) {
      guard let byte = bytes.popFirst() else { return nil }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return byte == 0 && shift > 0 ? nil : Int64(value) }
    }
    return nil
  }

  private static func unpackLetters(_ bytes: inout ArraySlice<UInt8>) -> UInt32? {
    guard bytes.count >= 3, bytes.prefix(3).allSatisfy((UInt8(ascii: "A")...UInt8(ascii: "Z")).contains) else {
      return nil
    }
    defer { bytes = bytes.dropFirst(3) }
    return bytes.prefix(3).reduce(0) { $0 << 8 | UInt32($1) }
  }
}

extension RiskKey {
  /// What a user's history remembers it by.
  fileprivate var mark: UInt64 { id.high }
}

extension RiskHistory.Bucket {
  /// Whether the window covers it. A clock that was set back may have left buckets that have yet to come: they count as
  /// long as the window is, so that nothing is forgotten and nobody is held up for ever.
  fileprivate func isCovered(at now: Timestamp) -> Bool {
    let present = window.number(of: now)
    return (present - window.buckets...present.adding(saturating: window.buckets)).contains(number)
  }
}

extension RiskWindow {
  /// Its place in `RiskHistory.packed`.
  fileprivate var order: Int {
    switch self {
    case .minute: 0
    case .hour: 1
    case .day: 2
    }
  }

  /// The number of the stretch of time in which a moment lies; 0 for moments before 1970.
  fileprivate func number(of moment: Timestamp) -> Int64 { max(0, moment.microseconds) / bucket }
}
