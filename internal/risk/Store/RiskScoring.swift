internal import Crypto
public import DirectDomain
internal import Money
public import Postgres
internal import RiskDomain
internal import Values

/// Scores requests that are not executed: each gets a decision, once, and counts for the payments after it.
///
/// The transactions lock the requests by ascending id, then what risk counts by; nobody who holds the latter waits for
/// the former. A value that any thread may use; make it once, since its statements are prepared on each connection.
public struct RiskScoring: Sendable {
  private let book: RiskBook
  private let insert: Statement

  /// - Parameter book: of the same tables.
  public init(_ tables: RiskTables = RiskTables(), book: RiskBook) {
    self.book = book
    insert = Statement(
      """
      INSERT INTO \(tables.scoredRequest) (request_id, decision_id, user_id, payee_id, payment_method_id, amount, currency)
      SELECT u.id, u.decision, u.user_id, u.payee, u.method, u.amount::numeric, u.currency
      FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[])
        AS u(id, decision, user_id, payee, method, amount, currency)
      ORDER BY u.id ON CONFLICT DO NOTHING RETURNING request_id
      """)
  }

  /// Scores requests in one transaction.
  /// - Parameter requests: at most `RiskBook.maximumPayments`.
  /// - Returns: of each, in order, whether it was scored now and not before.
  public func score(_ requests: [ScoringRequest], on connection: Connection) throws(DatabaseError) -> [Bool] {
    if let new = try score(requests, isBlind: false, on: connection) { return new }
    // Nothing of the first transaction is left; this one does without features.
    return try score(requests, isBlind: true, on: connection) ?? []
  }

  /// - Returns: nil, with nothing done, when the features cannot be had.
  private func score(
    _ requests: [ScoringRequest], isBlind: Bool, on connection: Connection
  ) throws(DatabaseError) -> [Bool]? {
    try connection.rollingBack { () throws(DatabaseError) -> [Bool]? in
      // Of a request that is there twice, the first counts.
      var seen: Set<UniqueID> = []
      let once = requests.filter { seen.insert($0.requestID).inserted }
      let rows = try connection.run([.begin, add(once)])[1]
      var new = Set(try rows.map { (row) throws(DatabaseError) in try row.uuid(0) })
      let payments = once.filter { new.contains($0.requestID) }.map(\.risk)
      let decided: RiskBatch
      do throws(DatabaseError) {
        decided =
          try isBlind || payments.isEmpty
          ? book.decideBlindly(payments) : book.decide(payments, connection.run(book.reads(payments)))
      } catch  where !isBlind && book.isBlinded(by: error) {
        try connection.run(.rollback)
        return nil
      }
      let hasRules = book.rulesAreDue && !payments.isEmpty
      try connection.run(book.writes(decided, rules: hasRules) + [.commit])
      if hasRules { book.rulesCommitted() }
      return requests.map { new.remove($0.requestID) != nil }
    }
  }

  private func add(_ requests: [ScoringRequest]) -> Command {
    Command(
      insert,
      [
        .uuidArray(requests.map(\.requestID)), .uuidArray(requests.map(\.decisionID)),
        .uuidArray(requests.map(\.userID)), .uuidArray(requests.map(\.payeeID)),
        .uuidArray(requests.map(\.paymentMethodID)), .textArray(requests.map(\.amount.text)),
        .textArray(requests.map(\.currency.code)),
      ])
  }
}

extension ScoringRequest {
  /// The id of its decision, which is no payment's.
  var decisionID: UniqueID { UniqueID(digest: SHA256.digest(of: Array("score\0\(requestID)".utf8).span.bytes)) }

  /// What rules look at: the payment method counts as the account that pays, and an amount between two minor units as
  /// the higher one.
  fileprivate var risk: RiskPayment {
    let amount = Money(minorUnits: amount.minorUnits(exponent: currency.exponent), currency)
    return RiskPayment(
      id: decisionID, facts: RiskFacts(method: .account, amount: amount), userID: userID, payeeID: payeeID,
      cardFingerprints: [], account: "payment_method:\(paymentMethodID)")
  }
}
