internal import GatewayAPI
internal import GatewayDomain
internal import HTTPServer
internal import LedgerDomain
internal import LedgerStore
internal import Money
internal import Values

/// Accounts with their balances.
extension PageRoutes {
  private static let missing = PageFault(404, "account_not_found", "there is no such account")
  private static let entriesShown = 25

  func addAccounts(to router: inout HTTPRouter) {
    handlers.get("/accounts", .read, to: &router, or: refused) { call throws(PageFault) in
      let text = call.request.query["user_id"] ?? ""
      return try await accountsPage(call, text, nil)
    }
    handlers.post("/accounts", .ledger, to: &router, or: accountsPage(refusing:_:), open)
    handlers.get("/accounts/{id}", .read, to: &router, or: refused) { call throws(PageFault) in
      try await accountPage(call, nil)
    }
    handlers.post("/accounts/{id}", .ledger, to: &router, or: accountPage(refusing:_:), move)
  }

  private func accountsPage(refusing call: PageCall, _ fault: PageFault) async -> HTTPResponse {
    guard let form = call.form, call.visitor.may(.read) else { return refusal(call, fault) }
    return (try? await accountsPage(call, form.text("user_id") ?? "", fault)) ?? refusal(call, fault)
  }

  private func accountPage(refusing call: PageCall, _ fault: PageFault) async -> HTTPResponse {
    guard call.form != nil, call.visitor.may(.read) else { return refusal(call, fault) }
    return (try? await accountPage(call, fault)) ?? refusal(call, fault)
  }

  // MARK: - A user's accounts

  private func accountsPage(
    _ call: PageCall, _ text: String, _ fault: PageFault?
  ) async throws(PageFault) -> HTTPResponse {
    let words = call.words
    let view = AccountsView(words: words)
    let title = words("Accounts", "Счета")
    let user = UniqueID(text)
    guard text.isEmpty || user != nil else { throw PageFault(400, "invalid_parameter", "expected the UUID of a user") }
    var content: HTML = .nothing
    if let user {
      let accounts = try await PageFault.asking { () async throws(StoreTrouble) in
        try await sources.accounts.list(owner: user, deadline: call.deadline)
      }
      var open = form(call, "open", "/accounts")
      open.values = ["user_id": user.description]
      open.fault = fault
      let heading = words("Accounts of the user", "Счета пользователя")
      content = """
        <h2 id="list">\(heading)</h2>
        \(view.list(accounts))
        \(call.visitor.may(.ledger) ? view.openForm(open) : .nothing)
        """
    }
    return frame(call, title, at: "/accounts", live: user == nil ? nil : "/live").response(
      fault?.status ?? 200,
      """
      <h1>\(title)</h1>
      \(view.search(user?.description ?? call.visitor.session.visitor.description))
      \(content)
      """)
  }

  private func open(_ call: PageCall) async throws(PageFault) -> HTTPResponse {
    let form = try call.sent()
    let body = JSONWriter.object { object in
      object.add("user_id", form.text("user_id"))
      object.add("currency", form.text("currency")?.uppercased())
    }
    let wanted = try PageFault.reading { () throws(RequestFault) in try AccountRequest(body) }
    let opened = try await PageFault.asking { () async throws(StoreTrouble) in
      try await sources.accounts.open(owner: wanted.userID, wanted.currency, deadline: call.deadline)
    }
    return PageFrame.redirect(to: "/accounts/\(opened.account.id)")
  }

  // MARK: - One account

  private func accountPage(_ call: PageCall, _ fault: PageFault?) async throws(PageFault) -> HTTPResponse {
    let account = try await account(call)
    let cursor = fault == nil ? call.request.query["after"].flatMap { $0.isEmpty ? nil : $0 } : nil
    let after = try cursor.map { (text) throws(PageFault) in
      guard let cursor = EntryCursor(text) else { throw PageFault(400, "invalid_cursor") }
      return cursor
    }
    let entries = try await PageFault.asking { () async throws(StoreTrouble) in
      try await sources.accounts.entries(
        of: account.id, from: nil, until: nil, after: after, limit: Self.entriesShown + 1, deadline: call.deadline)
    }
    let words = call.words
    let view = AccountsView(words: words)
    var movement = form(call, "move", "/accounts/\(account.id)")
    movement.fault = fault
    if let fault, let form = call.form {
      movement.values["amount"] = form.text("amount")
      if fault.status >= 500, let key = form.text("key") { movement.key = key }
    }
    let title = "\(words("Account", "Счёт")) \(account.currency.code)"
    let up = account.owner.map { owner -> HTML in
      "<a href=\"/accounts?user_id=\(owner)\">← \(words("Accounts", "Счета"))</a>"
    }
    return frame(call, title, live: after == nil ? "/live" : nil).response(
      fault?.status ?? 200,
      """
      <p class="up">\(up.orNothing)</p>
      <h1>\(title)</h1>
      \(view.facts(account))
      \(call.visitor.may(.ledger) ? view.movementForm(movement, account) : .nothing)
      <h2 id="list">\(words("Entries", "Проводки"))</h2>
      \(view.entries(entries, account, limit: Self.entriesShown))
      """)
  }

  private func account(_ call: PageCall) async throws(PageFault) -> Account {
    let id = try call.id(missing: Self.missing)
    let found = try await PageFault.asking { () async throws(StoreTrouble) in
      try await sources.accounts.find(id, before: nil, deadline: call.deadline)
    }
    guard let found else { throw Self.missing }
    return found
  }

  private func move(_ call: PageCall) async throws(PageFault) -> HTTPResponse {
    let account = try await account(call)
    let form = try call.sent()
    guard let direction = form.text("direction").flatMap(ExternalMovement.Direction.init(rawValue:)) else {
      throw .unreadable
    }
    let body: [UInt8]
    do throws(PaymentForm.Fault) {
      let amount = try PaymentForm.minorUnits(form.text("amount"), account.currency.code)
      body = JSONWriter.object { object in
        if let amount { object.add("amount", amount) }
        object.add("currency", account.currency.code)
      }
    } catch {
      throw PageFault(error)
    }
    let amount = try PageFault.reading { () throws(RequestFault) in try MovementRequest(body).amount }
    let key = try key(call, direction.rawValue)
    let movement = ExternalMovement(id: AccountRoutes.id(of: key), direction, account: account.id, amount: amount)
    let result = try await PageFault.asking { () async throws(StoreTrouble) in
      try await sources.accounts.move(movement, deadline: call.deadline)
    }
    if case .refused(let refusal) = result { throw PageFault(AccountRoutes.fault(refusal)) }
    return PageFrame.redirect(to: "/accounts/\(account.id)")
  }
}
