public import ProcessingDomain
public import ProcessingStore
public import Values

/// What the comparison of a statement found.
public struct ReconciliationReport: Sendable {
  /// Something for a person, which is an exception now, unless nothing was to be changed.
  public struct Finding: Sendable, Hashable {
    /// The payment or the operation of the statement.
    public let id: UniqueID
    /// What it is.
    public let kind: PaymentException
    /// Description in words.
    public let detail: String
  }

  /// SHA-256 of the statement.
  public internal(set) var digest: [UInt8] = []
  /// The time in which the statement lists everything; nil when nothing was said about that.
  public internal(set) var period: ClosedRange<Timestamp>?
  /// Whether the same statement was compared before; then nothing was done, and these are the counts of that time.
  public internal(set) var isRepeated = false
  /// What was counted.
  public internal(set) var counts = ReconciledStatement.Counts()
  /// The first findings of each kind.
  public private(set) var findings: [Finding] = []

  private let limit: Int
  private var shown: [PaymentException: Int] = [:]

  /// - Parameter limit: the number of findings of each kind.
  init(limit: Int) { self.limit = limit }

  /// How the comparison ends.
  public enum Outcome: String, Sendable {
    /// Nothing is for a person.
    case agree
    /// A person has to look at something.
    case disagree
    /// Nothing is for a person, and some payments are still open.
    case undecided
  }

  /// The outcome; of a repetition that of the first time.
  public var outcome: Outcome {
    if counts.hasFindings { return .disagree }
    return counts.undecided > 0 ? .undecided : .agree
  }

  mutating func note(_ id: UniqueID, _ kind: PaymentException, _ detail: String) {
    switch kind {
    case .missingHere: counts.missingHere += 1
    case .missingThere: counts.missingThere += 1
    case .amountDiffers: counts.amountDiffers += 1
    case .duplicateStated: counts.duplicate += 1
    default: counts.contradicted += 1
    }
    shown[kind, default: 0] += 1
    if shown[kind, default: 0] <= limit { findings.append(Finding(id: id, kind: kind, detail: detail)) }
  }
}
