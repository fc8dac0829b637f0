internal import DirectDomain
internal import GatewayDomain
internal import Money
internal import Postgres
internal import Values

/// How a payment lies in its table.
enum PaymentRow {
  private enum Column: Int, AnswerColumn {
    case id, userID, payeeID, method, cardBrand, cardLast4, masked, accountID, amount, currency, orderID, externalID
    case description, metadata, createdAt, state, version, reason, since, apiKeyID, bankToken, surface, surfaceDetails
  }

  /// The SELECT list that `decode` reads, of a table or alias named `p`; what else a statement reads comes after it.
  static let columns = """
    p.id, p.user_id, p.payee_id, p.method, p.card_brand, p.card_last4, p.masked, p.account_id, p.amount, \
    p.currency::text, p.order_id, p.external_id, p.description, p.metadata::text, p.created_at, p.state, p.version, \
    p.reason, p.since, p.api_key_id, p.bank_token, p.surface, p.surface_details::text
    """

  /// Whether a row of an outer join has no payment.
  static func isMissing(_ row: Row) -> Bool { row.isNull(Column.id) }

  /// A row; one that no payment of ours has is the fault of nothing else that was read.
  static func read(
    _ row: Row
  ) throws(DatabaseError) -> (id: UniqueID, payment: Result<GatewayPayment, GatewayStoreError>) {
    let id = try row.uuid(Column.id)
    do throws(DatabaseError) {
      return (id, .success(try decode(row)))
    } catch  where error.code == .content {
      return (id, .failure(GatewayStoreError(unreadable: id, error)))
    }
  }

  /// - Throws: `content` for what no payment of ours has.
  private static func decode(_ row: Row) throws(DatabaseError) -> GatewayPayment {
    let code = try row.text(Column.currency)
    guard let currency = Currency(code) else { throw .content("currency is \(code)") }
    var payment = GatewayPayment(
      id: try row.uuid(Column.id),
      standing: try standing(
        state: row.text(Column.state), reason: row.optionalText(Column.reason), version: row.int64(Column.version),
        since: row.timestamp(Column.since)), userID: try row.uuid(Column.userID),
      payeeID: try row.uuid(Column.payeeID), apiKeyID: try row.optionalUUID(Column.apiKeyID), source: try source(row),
      amount: Money(minorUnits: try row.int64(Column.amount), currency),
      orderID: try row.optionalInt64(Column.orderID), externalID: try row.optionalText(Column.externalID),
      description: try row.optionalText(Column.description), metadata: try metadata(row),
      createdAt: try row.timestamp(Column.createdAt))
    payment.bankToken = try row.optionalText(Column.bankToken)
    payment.origin = try origin(row)
    return payment
  }

  /// - Throws: `content` for a state of another version. A reason that this version does not know is left out.
  static func standing(
    state: String, reason: String?, version: Int64, since: Timestamp
  ) throws(DatabaseError) -> PaymentStanding {
    guard let state = PaymentState(rawValue: state) else {
      throw .content("state is \(state), which this version does not know")
    }
    return PaymentStanding(
      state: state, reason: reason.flatMap(PaymentReason.init(rawValue:)), version: version, since: since)
  }

  private static func source(_ row: Row) throws(DatabaseError) -> GatewayPayment.Source {
    let method = try row.text(Column.method)
    switch PaymentMethod(rawValue: method) {
    case .card: return .card(brand: try row.text(Column.cardBrand), last4: try row.text(Column.cardLast4))
    case .account: return .account(masked: try row.text(Column.masked))
    case .token: return .token(masked: try row.text(Column.masked))
    case .balance: return .balance(accountID: try row.uuid(Column.accountID))
    case nil: throw .content("method is \(method), which this version does not know")
    }
  }

  private static func origin(_ row: Row) throws(DatabaseError) -> PaymentOrigin? {
    guard let name = try row.optionalText(Column.surface) else { return nil }
    let surface = try surface(name)
    let details = try row.bytes(Column.surfaceDetails)
    guard details.count <= PaymentOrigin.maximumDetails else { throw .content("surface_details are too long") }
    return PaymentOrigin(surface, details: details)
  }

  /// - Throws: `content` for a surface of another version.
  static func surface(_ name: String) throws(DatabaseError) -> PaymentOrigin.Surface {
    guard let surface = PaymentOrigin.Surface(rawValue: name) else {
      throw .content("surface is \(name), which this version does not know")
    }
    return surface
  }

  private static func metadata(_ row: Row) throws(DatabaseError) -> PaymentMetadata {
    guard !row.isNull(Column.metadata) else { return .empty }
    let text = try row.bytes(Column.metadata)
    do throws(JSONError) {
      return try PaymentMetadata(stored: text)
    } catch {
      throw .content("metadata is no object of strings: \(error)")
    }
  }

  /// The columns that intake writes, in the order of `values`; the others have their defaults.
  static let written = """
    id, user_id, payee_id, method, card_brand, card_last4, masked, account_id, amount, currency, order_id, external_id, \
    description, metadata, created_at, api_key_id, surface, surface_details, events
    """

  /// `unnest` of the parameters that `values` makes.
  static let unnested = """
    unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[], $9::bigint[],
           $10::text[], $11::bigint[], $12::text[], $13::text[], $14::text[], $15::timestamptz[], $16::uuid[],
           $17::text[], $18::text[], $19::bigint[])
    """

  /// - Parameter events: how many the outbox gets of each.
  static func values(_ payments: [GatewayPayment], events: [Int]) -> [Parameter] {
    let shown = payments.map { Shown($0.source) }
    return [
      .uuidArray(payments.map(\.id)), .uuidArray(payments.map(\.userID)), .uuidArray(payments.map(\.payeeID)),
      .textArray(payments.map(\.source.method.rawValue)), .optionalTextArray(shown.map(\.brand)),
      .optionalTextArray(shown.map(\.last4)), .optionalTextArray(shown.map(\.masked)),
      .optionalUUIDArray(shown.map(\.accountID)), .int64Array(payments.map(\.amount.minorUnits)),
      .textArray(payments.map(\.amount.currency.code)), .optionalInt64Array(payments.map(\.orderID)),
      .optionalTextArray(payments.map(\.externalID)), .optionalTextArray(payments.map(\.description)),
      .optionalTextArray(payments.map { $0.metadata.isEmpty ? nil : text($0.metadata) }),
      .timestampArray(payments.map(\.createdAt)), .optionalUUIDArray(payments.map(\.apiKeyID)),
      .optionalTextArray(payments.map(\.origin?.surface.rawValue)),
      .optionalTextArray(payments.map { $0.origin.map { String(decoding: $0.details, as: UTF8.self) } }),
      .int64Array(events.map(Int64.init)),
    ]
  }

  private static func text(_ metadata: PaymentMetadata) -> String {
    var bytes: [UInt8] = []
    metadata.appendJSON(to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// A source, column by column.
  private struct Shown {
    var brand: String?
    var last4: String?
    var masked: String?
    var accountID: UniqueID?

    init(_ source: GatewayPayment.Source) {
      switch source {
      case .card(let brand, let last4): (self.brand, self.last4) = (brand, last4)
      case .account(let masked), .token(let masked): self.masked = masked
      case .balance(let accountID): self.accountID = accountID
      }
    }
  }
}
