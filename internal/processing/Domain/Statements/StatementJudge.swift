public import DirectDomain
public import LedgerDomain
public import Money
public import Values

/// An operation of a statement, of all its rows.
public struct StatedOperation: Sendable, Hashable {
  /// Its first row.
  public let row: StatementRow
  /// How many rows it has.
  public let copies: Int64
  /// Whether its rows differ in amount, currency or status: then they say nothing.
  public let contradictsItself: Bool

  /// An operation.
  public init(row: StatementRow, copies: Int64 = 1, contradictsItself: Bool = false) {
    self.row = row
    self.copies = copies
    self.contradictsItself = contradictsItself
  }
}

/// What a statement is compared with: a payment or refund as the tables have it.
public struct StatedPayment: Sendable, Hashable {
  /// How it is paid.
  public let method: PaymentMethod
  /// How much.
  public let amount: Money
  /// Its state.
  public let state: PaymentState
  /// Whether nothing here lets the bank have charged it: it was not asked, or has said that it has undone the charge.
  public let isUncharged: Bool
  /// The account that pays.
  public let debit: UniqueID
  /// The account that is paid.
  public let credit: UniqueID

  /// A payment.
  public init(
    method: PaymentMethod, amount: Money, state: PaymentState, isUncharged: Bool, debit: UniqueID, credit: UniqueID
  ) {
    self.method = method
    self.amount = amount
    self.state = state
    self.isUncharged = isUncharged
    self.debit = debit
    self.credit = credit
  }
}

/// What a comparison found.
public enum StatementVerdict: Sendable, Hashable {
  /// Statement and tables agree; money that has moved is to be settled.
  case matched(isMoved: Bool)
  /// The tables do not say what the statement says: the bank's word is a step of the payment.
  case tell(BankAnswer)
  /// A person has to look.
  case found(PaymentException, detail: String)
}

/// Compares a statement with the tables. Pure.
public enum StatementJudge {
  /// Compares an operation with what the tables have under its id.
  /// - Parameter payment: nil when there is none.
  public static func verdict(_ operation: StatedOperation, _ payment: StatedPayment?) -> StatementVerdict {
    let row = operation.row
    guard let payment, payment.method.needsBank else {
      let what = payment == nil ? "no payment of ours has" : "a payment that needs no bank has"
      return .found(
        .missingHere, detail: "the bank lists \(row.amount), \(row.status.rawValue), under an id that \(what)")
    }
    guard !operation.contradictsItself else {
      return .found(.duplicateStated, detail: "\(operation.copies) rows that contradict each other")
    }
    if row.status == .succeed, row.amount != payment.amount {
      return .found(.amountDiffers, detail: "the bank lists \(row.amount), the payment is of \(payment.amount)")
    }
    switch (row.status, payment.state) {
    case (.succeed, .completed): return .matched(isMoved: true)
    case (.error, .rejected), (.error, .error), (.reversed, .error), (.reversed, .rejected):
      return .matched(isMoved: false)
    default: return .tell(row.status.answer)
    }
  }

  /// Whether a statement is not about us: more than half of its operations, and more than 1,000, are of nobody here.
  public static func isForeign(missing: Int, of total: Int) -> Bool { missing > 1_000 && missing > total / 2 }

  /// What a person has to look at besides: an operation that is there more than once.
  public static func duplicate(_ operation: StatedOperation) -> String? {
    guard operation.copies > 1, !operation.contradictsItself else { return nil }
    return "\(operation.copies) rows of the statement, the first in line \(operation.row.line)"
  }

  /// The posting by which a statement settles what the bank has moved: what came out of clearing comes into it from the
  /// world, and the other way round for refunds.
  /// - Returns: nil for a payment that clearing has no part in.
  public static func settlement(_ id: UniqueID, _ payment: StatedPayment) -> TransferRequest.Movement? {
    let clearing = LedgerAccount.ours(.clearing, payment.amount.currency).id
    let world = LedgerAccount.ours(.world, payment.amount.currency).id
    let isIncoming = payment.debit == clearing
    guard isIncoming || payment.credit == clearing else { return nil }
    return TransferRequest.Movement(
      id: TransferID.of(id, .settlement), debit: isIncoming ? world : clearing, credit: isIncoming ? clearing : world,
      amount: payment.amount)
  }
}
