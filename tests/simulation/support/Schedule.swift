/// One random schedule. Everything in it follows from its seed.
public protocol Schedule: AnyObject {
  /// The faults that can be put in on purpose.
  associatedtype Sabotage: ScheduleSabotage

  /// The seed it was made from.
  var seed: UInt64 { get }
  /// A sum over every step, which tells whether two runs were the same.
  var digest: UInt64 { get }
  /// The steps so far; nil unless the schedule is traced.
  var trace: [String]? { get }

  /// A schedule that has not run.
  init(seed: UInt64, sabotage: Sabotage?, isTraced: Bool)

  /// - Returns: the violation, or nil.
  func run() -> String?
}

/// A fault put into the world on purpose, to show that the oracle notices it.
public protocol ScheduleSabotage: RawRepresentable<String>, CaseIterable {
  /// What the violation must contain to count as noticed; nil for any violation.
  var notice: String? { get }
}

extension ScheduleSabotage {
  /// Any violation counts.
  public var notice: String? { nil }
}

/// Sums up what many schedules did.
public protocol ScheduleTotals<Played> {
  associatedtype Played: Schedule

  init()

  mutating func add(_ schedule: Played)

  /// What was done, for the last line: `12 steps, 3 faults`.
  var text: String { get }
}
