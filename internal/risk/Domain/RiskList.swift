/// A list on which users, payees, cards and accounts may be. The raw values are those of the table.
public enum RiskList: String, Sendable, Hashable, CaseIterable {
  /// Their payments are allowed, whatever the rules say; unless they are on the block list, too.
  case allow
  /// Their payments are blocked.
  case block
}

/// Why a payment is decided by a list.
public struct RiskListing: Sendable, Hashable {
  /// The list.
  public let list: RiskList
  /// What of the payment is on it.
  public let subject: RiskSubject

  /// A listing.
  public init(_ list: RiskList, _ subject: RiskSubject) {
    self.list = list
    self.subject = subject
  }

  /// The reason of the decision, such as `block_list.card`; no rule has a name like that.
  public var reason: String { "\(list.rawValue)_list.\(subject.rawValue)" }

  /// The listing with this reason.
  init?(reason: String) {
    let all = RiskList.allCases.flatMap { list in RiskSubject.allCases.map { RiskListing(list, $0) } }
    guard let found = all.first(where: { $0.reason == reason }) else { return nil }
    self = found
  }
}
