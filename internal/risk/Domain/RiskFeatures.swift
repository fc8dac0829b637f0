public import Values

/// What is known about a payment's user, payee, card and account: what was counted before it, what failed, what is used
/// for the first time, and whether they are on a list.
public struct RiskFeatures: Sendable, Hashable {
  /// The list that decides, when the payment is on one.
  public var listing: RiskListing?
  /// The user, the card or the account, where a rule asks for it and the user has never paid with it.
  public var firstUse: Set<RiskSubject>
  /// How many payments failed in the last ten minutes; nothing of a subject without any, or that no rule limits.
  public var failures: [RiskSubject: Int64]
  /// Of the subjects that are counted and that the payment has.
  public var usage: [RiskSubject: RiskUsage]

  /// Features.
  public init(
    listing: RiskListing? = nil, firstUse: Set<RiskSubject> = [], failures: [RiskSubject: Int64] = [:],
    usage: [RiskSubject: RiskUsage] = [:]
  ) {
    self.listing = listing
    self.firstUse = firstUse
    self.failures = failures
    self.usage = usage
  }
}

/// What a decision has to go by.
public enum RiskEvidence: Sendable, Hashable {
  /// The features.
  case features(RiskFeatures)
  /// There are none: they could not be read.
  case unavailable(RiskFailure)
}

// MARK: - JSON

extension RiskFeatures: JSONRepresentable {
  /// `{"listed":"allow_list.user","first_use":["card"],"failures":{"user":count},"card":{"1m":[count,sum],"1h":[…],
  /// "24h":[…]}}`, always in the same order, without what there is nothing of.
  public func appendJSON(to bytes: inout [UInt8]) {
    JSONWriter.appendObject(to: &bytes) { object in
      if let listing { object.add("listed", listing.reason) }
      if !firstUse.isEmpty { object.add("first_use", firstUse.sorted().map(\.rawValue)) }
      if !failures.isEmpty {
        object.add("failures") { object in
          for subject in Self.order { if let count = failures[subject] { object.add(named: subject.rawValue, count) } }
        }
      }
      for subject in Self.order {
        guard let usage = usage[subject] else { continue }
        object.add(named: subject.rawValue) { object in
          for window in RiskWindow.allCases { object.add(named: window.rawValue, usage[window]) }
        }
      }
    }
  }

  private static let order = RiskSubject.allCases.sorted()

  /// Reads what `appendJSON` writes, also with its fields in another order.
  public init(json: [UInt8]) throws(RiskFault) {
    self.init()
    var reader = try RiskReader(json, maximumBytes: 65_536)
    try reader.object { (reader, field) throws(RiskFault) in
      if field == "listed" {
        listing = RiskListing(reason: try reader.string())
        if listing == nil { throw reader.fault("no list and subject") }
      } else if field == "first_use" {
        try reader.array { (reader) throws(RiskFault) in
          firstUse.insert(try reader.word(RiskSubject.self, in: RiskRules.remembered))
        }
      } else if field == "failures" {
        try reader.object { (reader, field) throws(RiskFault) in
          guard let subject = RiskSubject(rawValue: field), RiskRules.blamed.contains(subject) else {
            throw reader.unknown()
          }
          failures[subject] = try reader.integer(in: 1...Int64.max)
        }
      } else if let subject = RiskSubject(rawValue: field) {
        usage[subject] = try RiskUsage(&reader)
      } else {
        throw reader.unknown()
      }
    }
    try reader.end()
  }
}

extension RiskCount: JSONRepresentable {
  /// Appends `[count,sum]`.
  public func appendJSON(to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "["))
    JSONWriter.appendInteger(count, to: &bytes)
    bytes.append(UInt8(ascii: ","))
    JSONWriter.appendInteger(sum, to: &bytes)
    bytes.append(UInt8(ascii: "]"))
  }
}

extension RiskUsage {
  fileprivate init(_ reader: inout RiskReader) throws(RiskFault) {
    var counts: [RiskWindow: RiskCount] = [:]
    try reader.object { (reader, field) throws(RiskFault) in
      guard let window = RiskWindow(rawValue: field) else { throw reader.unknown() }
      var numbers: [Int64] = []
      try reader.array { (reader) throws(RiskFault) in numbers.append(try reader.integer(in: 0...Int64.max)) }
      guard numbers.count == 2 else { throw reader.fault("expected a count and a sum") }
      counts[window] = RiskCount(count: numbers[0], sum: numbers[1])
    }
    self.init()
    for window in RiskWindow.allCases {
      guard let count = counts[window] else { throw reader.fault("\(window.rawValue) is missing") }
      self[window] = count
    }
  }
}
