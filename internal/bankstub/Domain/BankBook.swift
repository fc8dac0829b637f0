internal import Money
public import Values

/// What a bank does with its callers' requests. Pure: chance is an argument.
///
/// The number decides where it is one of these; the approval rate decides the others.
///
/// | number | outcome |
/// |---|---|
/// | 4242424242424242, an account ending in 1 | succeed |
/// | 4000000000000002, an account ending in 2 | error "declined" |
/// | 4000000000009995, an account ending in 5 | error "insufficient funds" |
public struct BankBook: Sendable {
  /// The operations so far.
  public private(set) var operations: [UniqueID: BankOperation] = [:]

  /// How much of each charge was given back, in minor units.
  private var refunded: [UniqueID: Int64] = [:]

  /// A book without operations, or with those of a journal.
  public init(_ operations: some Sequence<BankOperation> = []) {
    for operation in operations { self.operations[operation.id] = operation }
    for operation in self.operations.values where operation.status == .succeed {
      if let charged = operation.refundOf { note(operation.amount?.minorUnits ?? 0, givenBackOf: charged) }
    }
  }

  /// Charges, unless the operation was reversed or, for an idempotent bank, was made before.
  /// - Returns: the operation; it has changed unless the bank is idempotent and knows it.
  public mutating func charge(
    _ request: ChargeRequest, _ behaviour: BankBehaviour, using random: inout some RandomNumberGenerator
  ) -> BankOperation {
    let requests = requests(to: request.operationID)
    guard var known = operations[request.operationID], known.status != .none else {
      let refusal = Self.refusal(of: request.source, behaviour, using: &random)
      let operation = BankOperation(
        id: request.operationID, userID: request.userID, amount: request.amount,
        status: refusal == nil ? .succeed : .error, error: refusal ?? "", requests: requests,
        charges: refusal == nil ? 1 : 0, hidden: behaviour.forgets)
      operations[operation.id] = operation
      return operation
    }
    known.requests = requests
    if !behaviour.isIdempotent, known.status == .succeed { known.charges = min(known.charges, Int(Int32.max)) + 1 }
    operations[known.id] = known
    return known
  }

  /// Gives an operation its time, which stays.
  /// - Returns: the operation, which is there.
  public mutating func date(_ operation: BankOperation, at now: Timestamp) -> BankOperation {
    guard operation.at == nil else { return operation }
    var dated = operation
    dated.at = now
    operations[dated.id] = dated
    return dated
  }

  /// Gives money of a charge back, unless the refund was reversed or, for an idempotent bank, was made before.
  /// - Returns: the refund; it has changed unless the bank is idempotent and knows it.
  public mutating func refund(
    _ request: RefundRequest, _ behaviour: BankBehaviour, using random: inout some RandomNumberGenerator
  ) -> BankOperation {
    let requests = requests(to: request.refundID)
    guard var known = operations[request.refundID], known.status != .none else {
      let charge = operations[request.operationID]
      let isApproved = Int.random(in: 0..<100, using: &random) < behaviour.approval
      let refusal = refusal(of: request, charge) ?? (isApproved ? nil : "declined")
      let operation = BankOperation(
        id: request.refundID, userID: charge?.userID, amount: request.amount,
        status: refusal == nil ? .succeed : .error, error: refusal ?? "", requests: requests,
        charges: refusal == nil ? 1 : 0, hidden: behaviour.forgets, refundOf: request.operationID)
      operations[operation.id] = operation
      if refusal == nil { note(request.amount.minorUnits, givenBackOf: request.operationID) }
      return operation
    }
    known.requests = requests
    if !behaviour.isIdempotent, known.status == .succeed { known.charges = min(known.charges, Int(Int32.max)) + 1 }
    operations[known.id] = known
    return known
  }

  private mutating func note(_ minorUnits: Int64, givenBackOf charge: UniqueID) {
    refunded[charge] = (refunded[charge] ?? 0).adding(saturating: minorUnits)
  }

  private func refusal(of request: RefundRequest, _ charge: BankOperation?) -> String? {
    guard let charge, charge.refundOf == nil, let amount = charge.amount, charge.status == .succeed else {
      return "nothing was charged"
    }
    guard amount.currency == request.amount.currency else { return "other currency" }
    let (left, _) = amount.minorUnits.subtractingReportingOverflow(refunded[charge.id] ?? 0)
    return request.amount.minorUnits <= left ? nil : "more than was charged"
  }

  /// Counts a request to charge, or to refund, that nothing else is done about.
  public mutating func ignore(_ id: UniqueID, refundOf: UniqueID? = nil) -> BankOperation {
    var operation = operations[id] ?? BankOperation(nothingOf: id, status: .none, refundOf: refundOf)
    operation.requests = requests(to: id)
    operations[id] = operation
    return operation
  }

  /// How many requests to charge there are with one more.
  private func requests(to id: UniqueID) -> Int { min(operations[id]?.requests ?? 0, Int(Int32.max)) + 1 }

  /// - Returns: nil for an operation that is not there, or not shown yet.
  public mutating func find(_ id: UniqueID) -> BankOperation? {
    guard var operation = operations[id], operation.status != .none else { return nil }
    guard operation.hidden > 0 else { return operation }
    operation.hidden -= 1
    operations[id] = operation
    return nil
  }

  /// Undoes the charge or refund, or refuses it from now on.
  public mutating func reverse(_ id: UniqueID) -> BankOperation {
    var operation = operations[id] ?? BankOperation(nothingOf: id, status: .reversed)
    if let charged = operation.refundOf, operation.status == .succeed, let amount = operation.amount {
      note(-amount.minorUnits, givenBackOf: charged)
    }
    operation.status = .reversed
    operation.error = "reversed"
    operation.charges = 0
    operation.hidden = 0
    operations[id] = operation
    return operation
  }

  /// The fault of the next request, if it has one. The script comes first.
  public static func fault(
    _ behaviour: inout BankBehaviour, using random: inout some RandomNumberGenerator
  ) -> BankFault? {
    if !behaviour.script.isEmpty { return behaviour.script.removeFirst() }
    var rest = Int.random(in: 0..<1_000, using: &random)
    for fault in BankFault.allCases {
      rest -= behaviour.faults[fault] ?? 0
      if rest < 0 { return fault }
    }
    return nil
  }

  private static func refusal(
    of source: ChargeRequest.Source, _ behaviour: BankBehaviour, using random: inout some RandomNumberGenerator
  ) -> String? {
    switch (source, source.text.last) {
    case (.card("4242424242424242"), _), (.account, "1"): return nil
    case (.card("4000000000000002"), _), (.account, "2"): return "declined"
    case (.card("4000000000009995"), _), (.account, "5"): return "insufficient funds"
    default: return Int.random(in: 0..<100, using: &random) < behaviour.approval ? nil : "declined"
    }
  }
}
