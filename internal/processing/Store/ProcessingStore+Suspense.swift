public import LedgerDomain
internal import LedgerStore
internal import Money
public import Outbox
public import Postgres
internal import ProcessingDomain
public import Values

/// Where a charge that was put aside is moved.
public enum SuspenseTarget: Sendable, Hashable {
  /// We keep it.
  case fees
  /// It has left by another way.
  case world
  /// The bank has never made the charge, whatever it has said of it.
  case clearing
  /// The account of a user.
  case user(UniqueID)
}

/// What became of the wish to move a charge that was put aside out of suspense.
public enum SuspenseRelease: Sendable, Hashable {
  /// It is moved; by an earlier call, when it is a repetition.
  case done(TransferRequest.Movement, isRepetition: Bool)
  /// There is no such payment.
  case missing
  /// Its charge was not put aside.
  case notPutAside
  /// It goes back, or has gone back.
  case goesBack
  /// The bank has made the charge: a statement lists it.
  case stated
  /// The bank may have made the charge: no statements are complete from when it was first asked until it would have
  /// known.
  case notCovered
  /// The ledger refuses, such as for an account that is not there, or when it was moved elsewhere before.
  case refused(TransferRefusal)
}

/// Charges without a payment that were put aside and cannot go back.
extension ProcessingStore {
  /// Moves the charge of a payment out of suspense, once; all of it, since such a charge goes back as a whole or not at
  /// all. The payment's lock is that of its refunds, so that none is opened meanwhile, and none is afterwards. The
  /// transfer, the end of the payment's exception and the entry in the log of operations commit together. The exception
  /// keeps who has done it and why, also where somebody has closed it before.
  /// - Parameters:
  ///   - person: who does it, 1 to 255 bytes.
  ///   - note: why; cut at 1,000 bytes.
  ///   - log: of processing's outbox.
  /// - Throws: `content` for a payment that this version cannot read.
  public func release(
    _ id: UniqueID, to target: SuspenseTarget, by person: String, note: String, log: OperationLog,
    on connection: Connection
  ) throws(DatabaseError) -> SuspenseRelease {
    let (person, note) = (ColumnText.clean(person), ColumnText.clean(note))
    return try connection.rollingBack { () throws(DatabaseError) in
      var result = SuspenseRelease.missing
      if let row = try lock([id], by: nil, on: connection)?.first {
        let payment = try PaymentRow.decode(row).payment
        let (decided, batch) = try release(payment, to: target, on: connection)
        result = decided
        if case .done(let movement, isRepetition: false) = result {
          try connection.run(ledger.writes(batch) + [suspense.note(id, by: person, note)])
          let detail = "\(movement.amount) to account \(movement.credit): \(note)"
          try log.note(.suspenseRelease, by: person, messages: [(id.description, detail)], on: connection)
        }
      }
      try connection.run(.commit)
      return result
    }
  }

  /// - Parameter payment: it is locked.
  private func release(
    _ payment: ProcessedPayment, to target: SuspenseTarget, on connection: Connection
  ) throws(DatabaseError) -> (SuspenseRelease, LedgerBatch) {
    let currency = payment.amount.currency
    let account =
      switch target {
      case .fees: LedgerAccount.ours(.fees, currency).id
      case .world: LedgerAccount.ours(.world, currency).id
      case .clearing: LedgerAccount.ours(.clearing, currency).id
      case .user(let id): id
      }
    let aside = LedgerAccount.ours(.suspense, currency).id
    let movement = TransferRequest.Movement(
      id: TransferID.of(payment.id, .release), debit: aside, credit: account, amount: payment.amount)
    // After the lock, by statements of their own, so that they see what its holders committed.
    let answers = try connection.run(
      [refunds.totals(of: [payment.id])]
        + ledger.reads([RefundAccounts.putAside(payment), movement]))
    var batch = try ledger.batch(answers.dropFirst())
    guard batch.knows(TransferID.of(payment.id, .suspense)) else { return (.notPutAside, batch) }
    guard try RefundStatements.totals(answers[0])[payment.id]?.amount ?? 0 == 0 else { return (.goesBack, batch) }
    if target == .clearing, !batch.knows(movement.id), let reason = try reasonToKeep(payment.id, on: connection) {
      return (reason, batch)
    }
    // Ours have a word each.
    if case .user = target, !batch.isGuarded(account) { return (.refused(.unknownAccount(account)), batch) }
    switch batch.decide(.single(movement)) {
    case .created: return (.done(movement, isRepetition: false), batch)
    case .exists: return (.done(movement, isRepetition: true), batch)
    case .refused(let refusal): return (.refused(refusal), batch)
    }
  }

  /// Why a charge cannot be said never to have been made; nil when it can.
  private func reasonToKeep(_ id: UniqueID, on connection: Connection) throws(DatabaseError) -> SuspenseRelease? {
    let settlement = TransferID.of(id, .settlement)
    if try !ledger.existing([settlement], on: connection).isEmpty { return .stated }
    let row = try connection.run(suspense.asked(id)).only
    guard let first = try row.optionalTimestamp(SuspenseStatements.AskedColumn.first),
      let last = try row.optionalTimestamp(SuspenseStatements.AskedColumn.last)
    else { return nil }
    let coverage = try stated.coverage(on: connection)
    return coverage.covers(first..<(last + engine.rules.countsAfter)) ? nil : .notCovered
  }

  /// Closes exceptions of charges that were moved out of suspense: a later statement has listed them once more. Not of
  /// one that the bank was said never to have made.
  /// - Returns: how many.
  public func closeReleased(on connection: Connection) throws(DatabaseError) -> Int {
    let open = try connection.run(suspense.newest).map { (row) throws(DatabaseError) in try row.uuid(0) }
    let moved = try ledger.transfers(open.map { TransferID.of($0, .release) }, on: connection)
    let released = open.filter { id in
      guard let release = moved[TransferID.of(id, .release)] else { return false }
      return release.credit != LedgerAccount.ours(.clearing, release.amount.currency).id
    }
    if !released.isEmpty { try connection.run(suspense.close(released)) }
    return released.count
  }
}

/// The statements on exceptions of charges without a payment.
struct SuspenseStatements: Sendable {
  private let findNewest: Statement
  private let findAsked: Statement
  private let noteRelease: Statement
  private let closeAgain: Statement

  enum AskedColumn: Int, AnswerColumn { case first, last }

  init(_ t: ProcessingTables) {
    let own = "kind = '\(PaymentException.chargedNotCompleted.rawValue)'"
    findNewest = Statement(
      """
      SELECT payment_id FROM \(t.exception) WHERE \(own) AND closed_at IS NULL ORDER BY opened_at DESC LIMIT 1000
      """, isReadOnly: true)
    findAsked = Statement(
      "SELECT min(asked_at) AS first, max(asked_at) AS last FROM \(t.allAttempt) WHERE payment_id = $1 AND call = 'charge'",
      isReadOnly: true)
    noteRelease = Statement(
      """
      UPDATE \(t.exception) SET closed_at = clock_timestamp(), closed_by = $2, note = $3 WHERE payment_id = $1 AND \(own)
      """)
    closeAgain = Statement(
      """
      UPDATE \(t.exception) SET closed_at = clock_timestamp()
      WHERE payment_id = ANY ($1) AND \(own) AND closed_at IS NULL
      """)
  }

  /// Those that are open; of too many the newest, as are those that were opened again.
  var newest: Command { Command(findNewest) }

  /// When the bank was first and last asked for a charge.
  func asked(_ id: UniqueID) -> Command { Command(findAsked, [.uuid(id)]) }

  /// Keeps who has moved a charge and why, and closes its exception.
  func note(_ id: UniqueID, by person: String, _ note: String) -> Command {
    Command(noteRelease, [.uuid(id), .text(person), .text(note)])
  }

  /// Closes those whose charges were moved before.
  func close(_ ids: [UniqueID]) -> Command { Command(closeAgain, [.uuidArray(ids)]) }
}
