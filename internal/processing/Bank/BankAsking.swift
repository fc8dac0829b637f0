public import Cards
public import Money
public import ProcessingDomain
public import Values

/// Where the bank takes the money from.
public enum BankSource: Sendable {
  case card(PaymentCard)
  /// An account's number, 1 to 255 bytes.
  case account(String)
  /// The bank's own token of an earlier charge, 1 to 255 bytes.
  case token(String)
}

/// What the bank is asked to charge.
public struct BankCharge: Sendable {
  /// Our id of the operation, under which the bank charges once.
  public let operationID: UniqueID
  /// Who pays.
  public let userID: UniqueID
  /// Above zero.
  public let amount: Money
  /// Where it comes from.
  public let source: BankSource

  /// A charge.
  public init(operationID: UniqueID, userID: UniqueID, amount: Money, source: BankSource) {
    self.operationID = operationID
    self.userID = userID
    self.amount = amount
    self.source = source
  }
}

/// What the bank is asked to give back.
public struct BankRefund: Sendable, Hashable {
  /// Our id of the refund, which is an operation of its own: under it the bank refunds once.
  public let operationID: UniqueID
  /// The operation that charged.
  public let chargeID: UniqueID
  /// Who gets the money.
  public let userID: UniqueID
  /// Above zero.
  public let amount: Money

  /// A refund.
  public init(operationID: UniqueID, chargeID: UniqueID, userID: UniqueID, amount: Money) {
    self.operationID = operationID
    self.chargeID = chargeID
    self.userID = userID
    self.amount = amount
  }
}

/// What became of a call of the bank, after everything about its answer has been checked.
public struct BankReply: Sendable, Hashable {
  /// What the bank says.
  public let answer: BankAnswer
  /// For people: the bank's own words for a refusal, or what was wrong with the answer. At most 255 bytes, and without
  /// anything that was sent.
  public let detail: String
  /// The bank's token for the card or account, to charge it again.
  public let token: String?

  /// A reply.
  public init(_ answer: BankAnswer, _ detail: String = "", token: String? = nil) {
    self.answer = answer
    self.detail = detail
    self.token = token
  }
}

/// The bank as the processor sees it. Callable on any thread; nothing here blocks.
///
/// A call needs a slot. Slots are what bounds the calls under way, and there are none while the bank is out of order:
/// payments wait where they cost nothing.
public protocol BankAsking: Sendable {
  /// Takes slots.
  /// - Parameter wanted: 0 or more.
  /// - Returns: how many were got; 0 while the breaker is open, few while it is tried whether the bank is back.
  func reserve(_ wanted: Int) -> Int
  /// Gives back slots that no call has used. A call uses up one slot and gives it back when it ends.
  func release(_ slots: Int)
  /// Has the closure called once when slots are free, soon when there are some. It must not block; it is called on a
  /// thread of the bank's.
  func whenFree(_ body: @escaping @Sendable () -> Void)
  /// Charges.
  /// - Parameter sendBy: after this moment no byte is sent; when the call cannot begin until then, it is `notSent`.
  func charge(_ charge: BankCharge, sendBy: Instant) async -> BankReply
  /// Gives money of a charge back.
  /// - Parameter sendBy: as for `charge`.
  func refund(_ refund: BankRefund, sendBy: Instant) async -> BankReply
  /// Asks what became of a charge or refund.
  func inquire(_ operationID: UniqueID, userID: UniqueID, amount: Money) async -> BankReply
  /// Has the charge or refund undone, or refused from now on.
  func reverse(_ operationID: UniqueID, userID: UniqueID, amount: Money) async -> BankReply
}
