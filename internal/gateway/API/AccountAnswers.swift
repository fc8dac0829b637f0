internal import HTTPServer
internal import LedgerDomain
internal import LedgerStore
internal import Money
internal import Values

/// Accounts, movements and entries as `/v1` shows them.
enum AccountAnswers {
  static func account(_ account: Account, into object: inout JSONObjectWriter) {
    object.add("id", account.id)
    object.add("user_id", account.owner)
    object.add("currency", account.currency.code)
    object.add("posted", account.balance.posted)
    object.add("pending", account.balance.pending)
    object.add("available", account.balance.available)
    object.add("created_at", account.openedAt)
  }

  /// - Parameter moment: just before which the balances were so; nil for now.
  static func account(_ status: Int, _ account: Account, at moment: Timestamp? = nil) -> HTTPResponse {
    let body = JSONWriter.object(reserving: 256) { object in
      Self.account(account, into: &object)
      if let moment { object.add("at", moment) }
    }
    return .json(status, body)
  }

  static func accounts(_ accounts: [Account]) -> HTTPResponse {
    .json(
      200, JSONWriter.object { $0.add("data", accounts.map { account in Part { Self.account(account, into: &$0) } }) })
  }

  static func movement(_ movement: ExternalMovement, at moment: Timestamp, isRepetition: Bool) -> HTTPResponse {
    let body = JSONWriter.object(reserving: 256) { object in
      object.add("id", movement.transferID)
      object.add("type", movement.direction.rawValue)
      object.add("account_id", movement.account)
      object.add("amount", movement.amount.minorUnits)
      object.add("currency", movement.amount.currency.code)
      object.add("created_at", moment)
    }
    var response = HTTPResponse.json(201, body)
    if isRepetition { response.add(IdempotencyKeyHeader.replayed, "true") }
    return response
  }

  static func entries(_ entries: [AccountEntry], limit: Int) -> HTTPResponse {
    let page = entries.prefix(limit)
    let hasMore = entries.count > limit
    let body = JSONWriter.object(reserving: 320 * page.count) { object in
      object.add("data", page.map { entry in Part { Self.entry(entry, into: &$0) } })
      object.add("has_more", hasMore)
      object.add("next", hasMore ? page.last?.cursor.description : nil)
    }
    return .json(200, body)
  }

  private static func entry(_ entry: AccountEntry, into object: inout JSONObjectWriter) {
    object.add("id", entry.transfer.id)
    object.add("kind", name(entry.transfer.kind))
    object.add("side", entry.side.rawValue)
    object.add("amount", entry.transfer.amount.minorUnits)
    object.add("posted", entry.posted)
    object.add("currency", entry.transfer.amount.currency.code)
    object.add("counterparty_id", entry.counterparty)
    object.add("hold_id", entry.transfer.pendingID)
    object.add("created_at", entry.at)
  }

  private static func name(_ kind: Transfer.Kind) -> String {
    switch kind {
    case .single: "transfer"
    case .pending: "hold"
    case .post: "post"
    case .void: "void"
    }
  }
}

/// An object in an array.
struct Part: JSONRepresentable {
  private let fill: (inout JSONObjectWriter) -> Void

  init(_ fill: @escaping (inout JSONObjectWriter) -> Void) { self.fill = fill }

  func appendJSON(to bytes: inout [UInt8]) { JSONWriter.appendObject(to: &bytes, fill) }
}
