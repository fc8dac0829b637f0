internal import Crypto
package import GatewayDomain
package import HTTPServer
package import LedgerDomain
internal import LedgerStore
internal import Money
package import Values

/// `/v1/accounts`: the balances of users.
package struct AccountRoutes: Sendable {
  private let accounts: any AccountKeeping
  private let handlers: RouteHandlers

  private static let missing = Fault(404, .accountNotFound, "there is no such account")
  private static let path = "/v1/accounts"

  /// The calls on these accounts.
  package init(_ accounts: any AccountKeeping, handlers: RouteHandlers) {
    self.accounts = accounts
    self.handlers = handlers
  }

  /// Adds the calls.
  package func add(to router: inout HTTPRouter) {
    let types = ["application/json"]
    let time = RouteHandlers.answerTime
    router.add(.post, Self.path, contentTypes: types, answerTime: time, handler: handlers.answer(.ledger, open))
    router.add(.get, Self.path, answerTime: time, handler: handlers.answer(.read, list))
    router.add(.get, "\(Self.path)/{id}", answerTime: time, handler: handlers.answer(.read, find))
    router.add(.get, "\(Self.path)/{id}/entries", answerTime: time, handler: handlers.answer(.read, entries))
    for direction in [ExternalMovement.Direction.topUp, .spend] {
      router.add(
        .post, "\(Self.path)/{id}/\(direction.rawValue)s", contentTypes: types, answerTime: time,
        handler: handlers.answer(.ledger) { request throws(Fault) in try await move(direction, request) })
    }
  }

  private func open(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    try request.query.requireOnly([])
    let wanted = try Fault.reading { () throws(RequestFault) in try AccountRequest(request.body) }
    let (account, isNew) = try await Fault.asking { () async throws(StoreTrouble) in
      try await accounts.open(owner: wanted.userID, wanted.currency, deadline: RouteHandlers.deadline(request))
    }
    var response = AccountAnswers.account(isNew ? 201 : 200, account)
    response.add("Location", "\(Self.path)/\(account.id)")
    return response
  }

  private func list(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    try request.query.requireOnly(["user_id"])
    guard let text = try request.query.only("user_id"), let owner = UniqueID(text) else {
      throw Fault(400, .invalidParameter, "expected the UUID of a user", field: "user_id")
    }
    return AccountAnswers.accounts(
      try await Fault.asking { () async throws(StoreTrouble) in
        try await accounts.list(owner: owner, deadline: RouteHandlers.deadline(request))
      })
  }

  private func find(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    let moment = try Fault.reading { () throws(RequestFault) in
      try BalanceFilter(request.query.items.map { ($0.name, $0.value) }).at
    }
    return AccountAnswers.account(200, try await account(request, before: moment), at: moment)
  }

  private func account(_ request: APIRequest, before moment: Timestamp? = nil) async throws(Fault) -> Account {
    let id = try RouteHandlers.id(request, missing: Self.missing)
    let found = try await Fault.asking { () async throws(StoreTrouble) in
      try await accounts.find(id, before: moment, deadline: RouteHandlers.deadline(request))
    }
    guard let found else { throw Self.missing }
    return found
  }

  private func entries(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    let filter = try Fault.reading { () throws(RequestFault) in
      try EntryFilter(request.query.items.map { ($0.name, $0.value) })
    }
    let after = try filter.after.map { (text) throws(Fault) in
      guard let cursor = EntryCursor(text) else {
        throw Fault(400, .invalidCursor, "expected the cursor of a page, as it was given", field: "after")
      }
      return cursor
    }
    let account = try await account(request)
    let entries = try await Fault.asking { () async throws(StoreTrouble) in
      try await accounts.entries(
        of: account.id, from: filter.from, until: filter.to, after: after, limit: filter.limit + 1,
        deadline: RouteHandlers.deadline(request))
    }
    return AccountAnswers.entries(entries, limit: filter.limit)
  }

  // MARK: - Movements

  private func move(_ direction: ExternalMovement.Direction, _ request: APIRequest) async throws(Fault)
    -> HTTPResponse
  {
    try request.query.requireOnly([])
    let route = "POST \(Self.path)/{id}/\(direction.rawValue)s"
    let key = try request.requiredKey(of: route)
    let account = try RouteHandlers.id(request, missing: Self.missing)
    let amount = try Fault.reading { () throws(RequestFault) in try MovementRequest(request.body).amount }
    let movement = ExternalMovement(id: Self.id(of: key), direction, account: account, amount: amount)
    let result = try await Fault.asking { () async throws(StoreTrouble) in
      try await accounts.move(movement, deadline: RouteHandlers.deadline(request))
    }
    switch result {
    case .done(let moment, let isRepetition):
      return AccountAnswers.movement(movement, at: moment, isRepetition: isRepetition)
    case .refused(let refusal): throw Self.fault(refusal)
    }
  }

  /// A movement's or refund's id is made of the caller's key, so that the tables themselves know a repeated call: one
  /// effect, whatever crashes, without a table of keys.
  package static func id(of key: RequestKey) -> UniqueID {
    let text = Array("\(key.scope)\0\(key.text)".utf8)
    return UniqueID(digest: SHA256.digest(of: text.span.bytes))
  }

  /// Why the ledger refused a movement.
  package static func fault(_ refusal: TransferRefusal) -> Fault {
    switch refusal {
    case .unknownAccount: missing
    case .otherCurrency: Fault(422, .currencyDiffers, "the account has another currency", field: "currency")
    case .insufficientFunds: Fault(409, .insufficientFunds, "the account has less than that available", field: "amount")
    case .differs: .keyReused
    case .amountOutOfRange, .overflow:
      Fault(422, .amountTooLarge, "the account cannot hold that much", field: "amount")
    case .sameAccount, .unknownHold, .exceedsHold, .inconsistent, .unreadable:
      Fault(.faulty("the ledger refused a movement: \(refusal)"))
    }
  }
}
