internal import DirectDomain
internal import GatewayDomain
internal import GatewayStore
package import HTTPServer
internal import Values

/// `/v1/users` and `/v1/payment_methods`.
package struct CustomerRoutes: Sendable {
  private let customers: any CustomerKeeping
  private let handlers: RouteHandlers

  static let users = "/v1/users"
  private static let methods = "/v1/payment_methods"
  static let missingUser = Fault(404, .userNotFound, "there is no such user")
  private static let missingMethod = Fault(404, .paymentMethodNotFound, "there is no such payment method")

  /// The calls on these.
  package init(_ customers: any CustomerKeeping, handlers: RouteHandlers) {
    self.customers = customers
    self.handlers = handlers
  }

  /// Adds the calls.
  package func add(to router: inout HTTPRouter) {
    let (types, time) = (["application/json"], RouteHandlers.answerTime)
    router.add(
      .post, Self.users, contentTypes: types, answerTime: time, handler: handlers.answer(.pay, createUser))
    router.add(.get, Self.users, answerTime: time, handler: handlers.answer(.read, listUsers))
    router.add(.get, "\(Self.users)/{id}", answerTime: time, handler: handlers.answer(.read, findUser))
    router.add(
      .post, Self.methods, contentTypes: types, answerTime: time, handler: handlers.answer(.pay, createMethod))
    router.add(.get, Self.methods, answerTime: time, handler: handlers.answer(.read, listMethods))
    router.add(.get, "\(Self.methods)/{id}", answerTime: time, handler: handlers.answer(.read, findMethod))
    router.add(.delete, "\(Self.methods)/{id}", answerTime: time, handler: handlers.answer(.pay, deleteMethod))
  }

  // MARK: - Users

  private func createUser(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    try request.query.requireOnly([])
    let wanted = try Fault.reading { () throws(RequestFault) in try UserRequest(request.body) }
    let derived = try request.derivedID(of: "POST \(Self.users)")
    if wanted.id != nil, derived != nil {
      throw Fault(422, code: "invalid_id", "expected no id beside an Idempotency-Key, which makes one", field: "id")
    }
    let user = GatewayUser(
      id: wanted.id ?? derived ?? .ordered(at: .now()), name: wanted.name, externalID: wanted.externalID)
    let added = try await Fault.asking { () async throws(StoreTrouble) in
      try await customers.add(user, deadline: RouteHandlers.deadline(request))
    }
    return try Self.answer(added, "\(Self.users)/\(user.id)", isKey: wanted.id == nil) { object, createdAt in
      Self.show(user, createdAt, into: &object)
    }
  }

  private func findUser(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    try request.query.requireOnly([])
    let id = try RouteHandlers.id(request, missing: Self.missingUser)
    let found = try await Fault.asking { () async throws(StoreTrouble) in
      try await customers.user(id, deadline: RouteHandlers.deadline(request))
    }
    guard let found else { throw Self.missingUser }
    return .json(200, JSONWriter.object { Self.show(found.user, found.createdAt, into: &$0) })
  }

  private func listUsers(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    let filter = try Self.filter(request, by: "external_id")
    let found = try await Fault.asking { () async throws(StoreTrouble) in
      try await customers.users(filter, deadline: RouteHandlers.deadline(request))
    }
    return Self.page(found.map { (id: $0.user.id, row: $0) }, filter) { found, object in
      Self.show(found.user, found.createdAt, into: &object)
    }
  }

  private static func show(_ user: GatewayUser, _ createdAt: Timestamp, into object: inout JSONObjectWriter) {
    object.add("id", user.id)
    object.add("name", user.name)
    object.add("external_id", user.externalID)
    object.add("created_at", createdAt)
  }

  // MARK: - Payment methods

  private func createMethod(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    try request.query.requireOnly([])
    let wanted = try Fault.reading { () throws(RequestFault) in try SavedMethodRequest(request.body) }
    let derived = try request.derivedID(of: "POST \(Self.methods)")
    let method = SavedMethod(id: derived ?? .ordered(at: .now()), userID: wanted.userID, source: wanted.source)
    let added = try await Fault.asking { () async throws(StoreTrouble) in
      try await customers.add(method, deadline: RouteHandlers.deadline(request))
    }
    return try Self.answer(added, "\(Self.methods)/\(method.id)", isKey: true) { object, createdAt in
      Self.show(method, createdAt, into: &object)
    }
  }

  private func findMethod(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    try request.query.requireOnly([])
    let id = try RouteHandlers.id(request, missing: Self.missingMethod)
    let found = try await Fault.asking { () async throws(StoreTrouble) in
      try await customers.method(id, deadline: RouteHandlers.deadline(request))
    }
    guard let found else { throw Self.missingMethod }
    return .json(200, JSONWriter.object { Self.show(found.method, found.createdAt, into: &$0) })
  }

  private func listMethods(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    let filter = try Self.filter(request, by: "user_id")
    let found = try await Fault.asking { () async throws(StoreTrouble) in
      try await customers.methods(filter, deadline: RouteHandlers.deadline(request))
    }
    return Self.page(found.map { (id: $0.method.id, row: $0) }, filter) { found, object in
      Self.show(found.method, found.createdAt, into: &object)
    }
  }

  private func deleteMethod(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    try request.query.requireOnly([])
    let id = try RouteHandlers.id(request, missing: Self.missingMethod)
    let isDeleted = try await Fault.asking { () async throws(StoreTrouble) in
      try await customers.deleteMethod(id, deadline: RouteHandlers.deadline(request))
    }
    guard isDeleted else { throw Self.missingMethod }
    return HTTPResponse(204)
  }

  private static func show(_ method: SavedMethod, _ createdAt: Timestamp, into object: inout JSONObjectWriter) {
    object.add("id", method.id)
    object.add("user_id", method.userID)
    object.add("type", method.source.method.rawValue)
    let masked = GatewayPayment.Source.masked(method.source)
    object.add(method.source.method == .account ? "number" : "token", masked)
    object.add("created_at", createdAt)
  }

  // MARK: - Parts of them

  /// - Parameter isKey: whether the id is made of the idempotency key.
  private static func answer(
    _ added: CustomerStore.Added, _ location: String, isKey: Bool,
    _ show: (inout JSONObjectWriter, Timestamp) -> Void
  ) throws(Fault) -> HTTPResponse {
    let (moment, isRepetition): (Timestamp, Bool) =
      switch added {
      case .new(let moment): (moment, false)
      case .same(let moment): (moment, true)
      case .differs:
        throw isKey
          ? .keyReused
          : Fault(409, .userExists, "there is a user with this id, and other content", field: "id")
      }
    var response = HTTPResponse.json(201, JSONWriter.object { show(&$0, moment) })
    response.add("Location", location)
    if isRepetition { response.add(IdempotencyKeyHeader.replayed, "true") }
    return response
  }

  private static func filter(_ request: APIRequest, by parameter: String) throws(Fault) -> OwnedFilter {
    try Fault.reading { () throws(RequestFault) in
      try OwnedFilter(request.query.items.map { ($0.name, $0.value) }, by: parameter)
    }
  }

  private static func page<Row>(
    _ found: [(id: UniqueID, row: Row)], _ filter: OwnedFilter, _ show: @escaping (Row, inout JSONObjectWriter) -> Void
  ) -> HTTPResponse {
    let page = found.prefix(filter.limit)
    let hasMore = found.count > filter.limit
    let body = JSONWriter.object(reserving: 256 * page.count) { object in
      object.add("data", page.map { each in Part { show(each.row, &$0) } })
      object.add("has_more", hasMore)
      object.add("next", hasMore ? page.last.map { PaymentCursor($0.id).text } : nil)
    }
    return .json(200, body)
  }
}
