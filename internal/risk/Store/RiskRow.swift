internal import DirectDomain
internal import Money
internal import Postgres
internal import RiskDomain
internal import Values

/// How a decision lies in its table.
enum RiskRow {
  private enum Column: Int, AnswerColumn {
    case paymentID, at, method, amount, currency, card, rules, features, failed, score, verdict, reasons
  }

  /// The SELECT list that `decode` reads.
  static let columns = """
    payment_id, at, method, amount, currency::text, card, rules, features::text, failed, score, verdict, reasons
    """

  /// The payment, when nothing else can be read.
  static func id(_ row: Row) throws(DatabaseError) -> UniqueID { try row.uuid(Column.paymentID) }

  /// - Throws: `content` for what no decision of ours has.
  static func decode(_ row: Row) throws(DatabaseError) -> StoredDecision {
    let facts = RiskFacts(
      method: try word(row, Column.method),
      amount: Money(minorUnits: try row.int64(Column.amount), try currency(row)))
    let decision = RiskDecision(
      verdict: try word(row, Column.verdict), score: try row.int(Column.score),
      reasons: try row.textArray(Column.reasons))
    return StoredDecision(
      record: RiskRecord(
        paymentID: try row.uuid(Column.paymentID), facts: facts,
        card: row.isNull(Column.card) ? nil : try row.bytes(Column.card), evidence: try evidence(row),
        decision: decision),
      rules: try row.text(Column.rules), at: try row.timestamp(Column.at))
  }

  private static func evidence(_ row: Row) throws(DatabaseError) -> RiskEvidence {
    guard let features = try row.optionalText(Column.features) else {
      return .unavailable(try word(row, Column.failed))
    }
    do throws(RiskFault) {
      return .features(try RiskFeatures(json: Array(features.utf8)))
    } catch {
      throw .content("\(error)")
    }
  }

  private static func currency(_ row: Row) throws(DatabaseError) -> Currency {
    let code = try row.text(Column.currency)
    guard let currency = Currency(code) else { throw .content("currency is \(code)") }
    return currency
  }

  private static func word<Word: RawRepresentable<String>>(_ row: Row, _ column: Column) throws(DatabaseError) -> Word {
    let text = try row.text(column)
    guard let word = Word(rawValue: text) else {
      throw .content("\(column) is \(text), which this version does not know")
    }
    return word
  }

  /// The parameters of an INSERT, an array for each column but `at` and `rules`, in their order. Reasons are joined by
  /// commas, which no reason has.
  static func encode(_ records: [RiskRecord]) -> [Parameter] {
    [
      .uuidArray(records.map(\.paymentID)), .textArray(records.map(\.facts.method.rawValue)),
      .int64Array(records.map(\.facts.amount.minorUnits)), .textArray(records.map(\.facts.amount.currency.code)),
      .optionalBytesArray(records.map(\.card)), .optionalTextArray(records.map { features(of: $0.evidence) }),
      .optionalTextArray(records.map { failure(of: $0.evidence)?.rawValue }),
      .int16Array(records.map { Int16(clamping: $0.decision.score) }),
      .textArray(records.map(\.decision.verdict.rawValue)),
      .textArray(records.map { $0.decision.reasons.joined(separator: ",") }),
    ]
  }

  private static func features(of evidence: RiskEvidence) -> String? {
    guard case .features(let features) = evidence else { return nil }
    var json: [UInt8] = []
    features.appendJSON(to: &json)
    return String(decoding: json, as: UTF8.self)
  }

  private static func failure(of evidence: RiskEvidence) -> RiskFailure? {
    if case .unavailable(let failure) = evidence { failure } else { nil }
  }
}
