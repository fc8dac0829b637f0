public import Values

/// The findings of an audit.
public struct AuditReport: Sendable {
  /// The ways in which tables and topic can disagree.
  public enum Kind: String, Sendable, CaseIterable {
    /// DONE in the table and not on the topic.
    case missing
    /// On the topic more than once.
    case duplicate
    /// Its first appearance on the topic is not in the order of the key's numbers.
    case order
    /// On the topic, and no table has it.
    case unknown
    /// Key, number or payload on the topic are not those of the table.
    case differs
    /// A payment's status, version, amount or currency is not what its newest event says.
    case state
    /// A payment without any event.
    case noEvent = "no_event"
    /// An event of an order that has no payment.
    case noPayment = "no_payment"
    /// A key's numbers in the table have a gap or a repetition.
    case gap
    /// A row of the tables holds what this version cannot read.
    case unreadable
  }

  /// One disagreement.
  public struct Offender: Sendable, Hashable {
    /// The kind of disagreement.
    public var kind: Kind
    /// The event, where one is known.
    public var eventID: UniqueID?
    /// The event's key, the order id in decimal.
    public var key: String?
    /// The event's number within its key.
    public var sequence: Int64?
    /// The message's partition, where there is a message.
    public var partition: Int32?
    /// The message's offset, where there is a message.
    public var offset: Int64?
    /// When the message was written, by its own timestamp.
    public var writtenAt: Timestamp?
    /// Description in words.
    public var detail: String
  }

  /// The verdict on tables and topic.
  public enum Outcome: Sendable, Hashable {
    /// All agree.
    case agree
    /// They disagree.
    case disagree
    /// No disagreement was found, but the beginning of a partition is gone in which events are expected.
    case unverifiable
  }

  /// Events that are DONE.
  public var done = 0
  /// Events that are in WAIT.
  public var pending = 0
  /// Events that are DEAD.
  public var dead = 0
  /// Payments that were compared with their events.
  public var payments = 0
  /// Messages read, those before `since` left out.
  public var messages = 0
  /// Messages whose events were dropped from the table by the retention.
  public var outOfRetention = 0
  /// Messages of events that were committed after the tables were read.
  public var newer = 0
  /// Copies that operators asked for, by a replay.
  public var replayed = 0
  /// Events from before `since` whose messages are not in the part of the topic that was read.
  public var notJudged = 0
  /// Events that cannot be looked for, by partition: its beginning is gone.
  public var unverifiable: [Int32: Int] = [:]
  /// Number of disagreements of each kind.
  public var counts: [Kind: Int] = [:]
  /// The first ones of each kind.
  public var offenders: [Offender] = []

  /// - Parameter allowsDuplicates: copies that are equal to the first are no disagreement.
  public func outcome(allowsDuplicates: Bool) -> Outcome {
    if counts.contains(where: { $0.value > 0 && !(allowsDuplicates && $0.key == .duplicate) }) { return .disagree }
    return unverifiable.isEmpty ? .agree : .unverifiable
  }
}
