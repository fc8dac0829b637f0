public import Postgres
public import RiskDomain
public import Values

/// Counts payments that fail after they were allowed, for the caller's transaction, which ends them.
///
/// It has locked the payments, runs `findCards`, then `failureReads` for all that may fail, and `failureWrites` for
/// those that have failed, before its COMMIT. So whoever decides about the next payment of the same card sees it.
extension RiskBook {
  /// Whether a rule limits failures. Without one nothing is to be counted.
  public var countsFailures: Bool { !ruleSet.rules.blamedSubjects.isEmpty }

  /// Finds the fingerprints of the cards of payments.
  public func findCards(of payments: [UniqueID]) -> Command { Command(findCardsStatement, [.uuidArray(payments)]) }

  private enum CardColumn: Int, AnswerColumn { case paymentID, card }

  /// The answer to `findCards`: nothing of a payment without a card.
  public func cards(_ answer: Rows) throws(DatabaseError) -> [UniqueID: [UInt8]] {
    var cards: [UniqueID: [UInt8]] = [:]
    for row in answer where !row.isNull(CardColumn.card) {
      cards[try row.uuid(CardColumn.paymentID)] = try row.bytes(CardColumn.card)
    }
    return cards
  }

  /// How many answers `failureReads` gives.
  public static let failureReadCount = 2

  /// Locks what the payments' failures are counted by, in the order in which claims lock, and reads it.
  public func failureReads(_ payments: [RiskPayment]) -> [Command] { countReads(blamed(payments)) }

  /// Counts the payments that have failed.
  /// - Parameters:
  ///   - payments: those of `failureReads`.
  ///   - answers: to `failureReads`.
  ///   - failed: the ids of those that have failed.
  public func failureWrites(
    _ payments: [RiskPayment], _ answers: some Collection<Rows>, failed: Set<UniqueID>
  ) throws(DatabaseError) -> [Command] {
    let answers = Array(answers)
    precondition(answers.count == Self.failureReadCount, "the answers of failureReads")
    var batch = try batch(blamed(payments), answers[1])
    for payment in payments where failed.contains(payment.id) { batch.fail(payment) }
    return saveCounts(batch)
  }

  private func blamed(_ payments: [RiskPayment]) -> [RiskKey] {
    let subjects = ruleSet.rules.blamedSubjects
    return Self.once(payments.flatMap(\.keys).filter { subjects.contains($0.subject) })
  }
}
