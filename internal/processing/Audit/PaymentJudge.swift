internal import Values

/// Decides what is wrong with payments. Pure; every rule is a sentence of docs/direct-payments.md.
enum PaymentJudge {
  private enum Kind {
    static let single: Int16 = 1
    static let pending: Int16 = 2
    static let post: Int16 = 3
    static let void: Int16 = 4
  }

  /// Everything that one snapshot of processing and the ledger shows.
  static func findings(_ payment: AuditedPayment) -> [Finding] {
    [
      posting(payment), settled(payment), charges(payment), refund(payment), claim(payment), due(payment),
      settlement(payment),
    ].compactMap { $0 }
  }

  // MARK: - The ledger

  static func posting(_ payment: AuditedPayment) -> Finding? {
    for movement in [payment.movement, payment.resolution] {
      if let movement, let field = difference(movement, payment) {
        return Finding(.posting, "it is \(payment.state), and its transfer has another \(field)")
      }
    }
    let isHeld = payment.movement?.kind == Kind.pending && payment.resolution == nil
    let wasPosted = payment.movement?.kind == Kind.pending && payment.resolution?.kind == Kind.post
    let wasVoided = payment.movement?.kind == Kind.pending && payment.resolution?.kind == Kind.void
    let isNothing = payment.movement == nil && payment.resolution == nil
    switch payment.state {
    case "COMPLETED":
      if payment.movement?.kind == Kind.single, payment.resolution == nil { return nil }
      if wasPosted { return nil }
      return Finding(.posting, "it is COMPLETED, and the ledger has not posted it: \(words(payment))")
    case "REJECTED", "ERROR":
      if isNothing || wasVoided { return nil }
      return Finding(.posting, "it is \(payment.state), and the ledger has \(words(payment))")
    case "PROCESSING", "REVIEW", "UNKNOWN":
      if payment.hasHold ? isHeld : isNothing { return nil }
      let expected = payment.hasHold ? "an open hold" : "nothing"
      return Finding(
        .posting, "it is \(payment.state) and should have \(expected) in the ledger, found \(words(payment))")
    default: return Finding(.unreadable, "its state is \(payment.state), which this version does not know")
    }
  }

  /// A statement settles what has moved at the bank, on the other side of clearing, once it is known what that was.
  static func settled(_ payment: AuditedPayment) -> Finding? {
    guard let settlement = payment.settlement else { return nil }
    guard payment.isFinal, payment.method != "balance" else {
      return Finding(.posting, "it is \(payment.state), paid by \(payment.method), and a statement has settled it")
    }
    let isSame = settlement.amount == payment.amount && settlement.currency == payment.currency
    let isOpposite = settlement.credit == payment.debit || settlement.debit == payment.credit
    guard settlement.kind == Kind.single, isSame, isOpposite else {
      return Finding(.posting, "a statement has settled something else than its amount on its side of clearing")
    }
    return nil
  }

  private static func difference(_ movement: AuditedPayment.Movement, _ payment: AuditedPayment) -> String? {
    if movement.debit != payment.debit { return "debit" }
    if movement.credit != payment.credit { return "credit" }
    if movement.currency != payment.currency { return "currency" }
    if movement.amount != payment.amount { return "amount" }
    return nil
  }

  private static func words(_ payment: AuditedPayment) -> String {
    guard let movement = payment.movement else {
      return payment.resolution == nil ? "no transfer" : "a resolution without its hold"
    }
    if movement.kind == Kind.single { return payment.resolution == nil ? "a movement" : "a movement that was resolved" }
    guard movement.kind == Kind.pending else { return "a transfer of kind \(movement.kind)" }
    switch payment.resolution?.kind {
    case nil: return "an open hold"
    case Kind.post: return "a posted hold"
    case Kind.void: return "a hold that was given back"
    case .some(let kind): return "a hold with a resolution of kind \(kind)"
    }
  }

  // MARK: - The bank

  /// D1: the bank is not asked to charge again unless nothing was sent before.
  static func charges(_ payment: AuditedPayment) -> Finding? {
    let (own, other) = payment.refund == nil ? ("charge", "refund") : ("refund", "charge")
    if payment.attempts.contains(where: { $0.call == other }) {
      return Finding(.attempt, "the bank was asked to \(other), which is not what it is")
    }
    let charges = payment.attempts.filter { $0.call == own }
    if let open = charges.dropLast().first(where: { $0.answer != "not_sent" }) {
      return Finding(
        .attempt,
        "the bank was asked to \(own) at \(open.askedAt) (\(open.answer ?? "no answer")), and asked again later")
    }
    if payment.method == "balance" {
      return charges.isEmpty ? nil : Finding(.attempt, "it is paid from a balance, and the bank was asked to \(own)")
    }
    if payment.state == "COMPLETED", charges.isEmpty {
      return Finding(.attempt, "it is COMPLETED, and the bank was never asked to \(own)")
    }
    if let askedAt = payment.askedAt, charges.last?.askedAt != askedAt {
      return Finding(.attempt, "its newest \(own) should be that of \(askedAt), and is not there")
    }
    return nil
  }

  // MARK: - Refunds

  /// A payment gives back at most what was paid, and a refund is one of its payment.
  static func refund(_ payment: AuditedPayment) -> Finding? {
    if payment.refunded > payment.amount {
      return Finding(.refund, "\(payment.refunded) of it are given back or may be, and it was \(payment.amount)")
    }
    if (payment.putAside != nil) != payment.isRefundedFromSuspense {
      return Finding(
        .refund,
        payment.putAside == nil
          ? "it is given back out of suspense, and nothing was put aside"
          : "its charge was put aside, and is not given back")
    }
    if let putAside = payment.putAside, putAside.kind != Kind.single || putAside.amount != payment.amount {
      return Finding(.refund, "another amount was put aside than it is")
    }
    if let release = payment.release, !isOfCharge(release, payment) {
      return Finding(.refund, "what was moved out of suspense is not its charge, or goes back, too")
    }
    return payment.refund.flatMap { refund($0, payment) }
  }

  /// A charge that was put aside goes back, or is moved to where a person has said.
  private static func isOfCharge(_ release: AuditedPayment.Movement, _ payment: AuditedPayment) -> Bool {
    release.kind == Kind.single && release.debit == payment.putAside?.credit && release.amount == payment.amount
      && release.currency == payment.currency && payment.refunded == 0
  }

  private static func refund(_ origin: AuditedPayment.Refund, _ refund: AuditedPayment) -> Finding? {
    guard let payment = origin.payment, !payment.isRefund else {
      return Finding(.refund, "it gives payment \(origin.of) back, which is not there")
    }
    let isCharge = origin.cause == "charged_not_completed"
    guard (payment.state == "COMPLETED") != isCharge, AuditedPayment.isFinal(payment.state) else {
      return Finding(.refund, "it gives back a payment that is \(payment.state), because of \(origin.cause)")
    }
    var field: String?
    if payment.userID != refund.userID { field = "user" }
    if payment.method != refund.method { field = "method" }
    if payment.currency != refund.currency { field = "currency" }
    if payment.debit != refund.credit { field = "credit" }
    if !isCharge, payment.credit != refund.debit { field = "debit" }
    return field.map { Finding(.refund, "its \($0) is not that of payment \(origin.of)") }
  }

  // MARK: - Side tables

  static func claim(_ payment: AuditedPayment) -> Finding? {
    guard payment.claimRow == payment.claimOwner else {
      return Finding(
        .claim, "it is claimed by \(text(payment.claimOwner)), and its row of claims says \(text(payment.claimRow))")
    }
    guard payment.claimOwner == nil || payment.hasOwner else {
      return Finding(.claim, "its owner \(text(payment.claimOwner)) is not registered, so that nobody takes it over")
    }
    guard payment.claimOwner == nil || !payment.isFinal else {
      return Finding(.claim, "it is \(payment.state), and still claimed")
    }
    return nil
  }

  static func due(_ payment: AuditedPayment) -> Finding? {
    guard payment.hasDueRow != (payment.due != nil) else { return nil }
    return Finding(
      .claim,
      payment.hasDueRow ? "its row of what is due is there, and nothing is" : "it is due, and nobody will look at it")
  }

  private static func text(_ id: UniqueID?) -> String { id.map { "\($0)" } ?? "nobody" }

  // MARK: - Orders

  static func settlement(_ payment: AuditedPayment) -> Finding? {
    guard payment.hasSettlement else { return nil }
    guard payment.state == "COMPLETED", payment.orderID != nil else {
      return Finding(.order, "it is \(payment.state), and its order is to be settled")
    }
    return nil
  }

  /// - Parameters:
  ///   - order: as the saga has it, read after the payment; nil when it has none.
  ///   - reason: that of a settlement by this payment.
  static func order(_ payment: AuditedPayment, _ order: AuditedOrder?, reason: String) -> Finding? {
    guard payment.state == "COMPLETED", let number = payment.orderID else { return nil }
    let isOurs = order?.status == "COMPLETED" && order?.reason == reason
    if payment.hasSettlement { return nil }
    if payment.isOrderDead {
      return isOurs
        ? Finding(.order, "order \(number) is settled by this payment, and an exception says that it is dead") : nil
    }
    guard !isOurs else { return nil }
    let found = order.map { "\($0.status), \"\($0.reason)\"" } ?? "no such order"
    return Finding(.order, "order \(number) should be settled by this payment, and the saga has \(found)")
  }

  // MARK: - The gateway

  /// The gateway's row was read after processing's.
  /// - Parameter grace: how long a result may take.
  static func later(_ intake: AuditedIntake?, than payment: AuditedPayment, grace: Duration) -> Finding? {
    guard let intake else {
      return Finding(.missing, "processing has it in state \(payment.state), the gateway has not")
    }
    if let field = difference(intake, payment) {
      return Finding(.state, "gateway and processing have another \(field)")
    }
    guard intake.version < payment.version, payment.age > grace else { return nil }
    return Finding(
      .late,
      "it has been \(payment.state) for \(payment.age.inMilliseconds / 1_000) s, and the gateway still says \(intake.state)"
    )
  }

  /// Processing's row was read after the gateway's.
  /// - Parameter grace: how long taking a payment may take.
  static func earlier(_ intake: AuditedIntake, than payment: AuditedPayment?, grace: Duration) -> Finding? {
    guard intake.historyState == intake.state else {
      return Finding(
        .state, "the gateway says \(intake.state), its history \(intake.historyState ?? "nothing") for that version")
    }
    guard let payment else {
      guard intake.version == 1 else {
        return Finding(.missing, "the gateway has it in state \(intake.state), processing has not")
      }
      guard intake.age > grace else { return nil }
      return Finding(.late, "it was taken in \(intake.age.inMilliseconds / 1_000) s ago, and nobody has claimed it")
    }
    if payment.version < intake.version {
      return Finding(.state, "the gateway has version \(intake.version), processing only \(payment.version)")
    }
    if payment.version == intake.version, payment.state != intake.state {
      return Finding(
        .state, "the gateway says \(intake.state), processing \(payment.state), both version \(intake.version)")
    }
    if AuditedPayment.isFinal(intake.state), payment.version != intake.version {
      return Finding(.state, "the gateway has it final as \(intake.state), processing goes on as \(payment.state)")
    }
    return nil
  }

  private static func difference(_ intake: AuditedIntake, _ payment: AuditedPayment) -> String? {
    if intake.userID != payment.userID { return "user" }
    if intake.method != payment.method { return "method" }
    if intake.amount != payment.amount { return "amount" }
    if intake.currency != payment.currency { return "currency" }
    if intake.orderID != payment.orderID { return "order" }
    return nil
  }
}
