public import Money
public import Values

/// A row of a bank's statement: what the bank says about one of its operations.
public struct StatementRow: Sendable, Hashable {
  /// What became of the operation. The raw values are those of the bank's answers.
  public enum Status: String, Sendable, Hashable, CaseIterable {
    /// The money has moved.
    case succeed
    /// The bank has refused, and will not do it under this id.
    case error
    /// It was undone, or is refused from then on.
    case reversed

    /// The answer that the bank would give to a question.
    public var answer: BankAnswer {
      switch self {
      case .succeed: .approved
      case .error: .declined
      case .reversed: .reversed
      }
    }
  }

  /// The line at which the row begins, from 1.
  public let line: Int64
  /// The id under which the bank was asked: that of a payment or refund.
  public let operationID: UniqueID
  /// Zero or more; above zero when the money has moved.
  public let amount: Money
  /// What became of it.
  public let status: Status
  /// When, by the bank's clock.
  public let at: Timestamp

  /// A row.
  public init(line: Int64, operationID: UniqueID, amount: Money, status: Status, at: Timestamp) {
    self.line = line
    self.operationID = operationID
    self.amount = amount
    self.status = status
    self.at = at
  }
}

/// Why a statement cannot be read.
public struct StatementFault: Error, Sendable, Hashable, CustomStringConvertible {
  /// The line at which the row begins, from 1.
  public let line: Int64
  /// The field, and what was expected; foreign text is not quoted.
  public let problem: String

  init(_ line: Int64, _ problem: String) {
    self.line = line
    self.problem = problem
  }

  /// Both.
  public var description: String { "line \(line): \(problem)" }
}
