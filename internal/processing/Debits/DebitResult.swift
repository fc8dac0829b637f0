public import LedgerDomain
public import Values

/// What became of a debit, as the topic of results carries it (api/topics/debits-results.schema.json).
public struct DebitResult: Sendable, Hashable {
  /// Whether the money was moved. The raw values are those of table and topic.
  public enum Status: String, Sendable, Hashable {
    /// It was.
    case completed = "COMPLETED"
    /// It was not, and will not be.
    case rejected = "REJECTED"
  }

  /// The debit.
  public let id: UniqueID
  /// Whether the money was moved.
  public let status: Status
  /// Why it was not, as a word for programs.
  public let reason: String?

  /// - Parameter outcome: what the ledger made of the transfer; nil when the user has no account in the currency.
  public init(_ id: UniqueID, _ outcome: TransferOutcome?) {
    self.id = id
    switch outcome {
    case .created, .exists: (status, reason) = (.completed, nil)
    case nil: (status, reason) = (.rejected, "unknown_account")
    case .refused(.insufficientFunds): (status, reason) = (.rejected, "insufficient_funds")
    case .refused(.amountOutOfRange): (status, reason) = (.rejected, "amount_too_large")
    case .refused: (status, reason) = (.rejected, "ledger_refused")
    }
  }

  /// The CloudEvents type.
  var type: String { "paysaga.debit.\(status.rawValue.lowercased())" }

  /// The message's value.
  public func payload() -> [UInt8] {
    JSONWriter.object(reserving: 128) { message in
      message.add("id", id)
      message.add("status", status.rawValue)
      message.add("reason", reason)
    }
  }
}
