internal import Crypto
package import GatewayAPI
internal import GatewayDomain
internal import GatewayStore
package import HTTPServer
internal import Tracing
internal import Values

/// The demo surface: users, payment methods and payment requests, which are scored and published and not executed.
package struct DemoSurface: Sendable {
  /// Its name in metrics and logs.
  package static let name = "demo"

  private let rows: any DemoKeeping
  private let checksIDs: Bool
  private let handlers: RouteHandlers

  /// - Parameter checksIDs: whether users and payment methods of requests must be there.
  package init(_ rows: any DemoKeeping, _ handlers: RouteHandlers, checksIDs: Bool) {
    self.rows = rows
    self.checksIDs = checksIDs
    self.handlers = handlers
  }

  /// The calls, and the surface's words for what no call answers.
  package var router: HTTPRouter {
    var router = HTTPRouter()
    router.refusal = { refusal, _ in DemoFault.response(refusal) }
    add(to: &router, "/users", "user_id", create: createUser, list: listUsers)
    add(to: &router, "/payment_methods", "payment_method_id", create: createMethod, list: listMethods)
    add(to: &router, "/payments", "payment_request_id", create: createRequest, list: listRequests)
    return router
  }

  private typealias Answer = @Sendable (HTTPRequest, Call) async throws(DemoFault) -> HTTPResponse

  /// A path, and the name of the id of what is under it.
  private struct Call {
    let path: String
    let id: String
  }

  private func add(
    to router: inout HTTPRouter, _ path: String, _ id: String, create: @escaping Answer, list: @escaping Answer
  ) {
    let call = Call(path: path, id: id)
    for (method, body) in [(HTTPMethod.post, create), (.get, list)] {
      router.add(
        method, path, maxBody: method == .post ? DemoBody.maximumBytes : nil, answerTime: RouteHandlers.answerTime,
        handler: handlers.open { request, exchange in
          do throws(DemoFault) {
            exchange.respond(try await body(request, call))
          } catch {
            exchange.respond(error.response)
          }
        })
    }
  }

  // MARK: - POST

  private func createUser(_ request: HTTPRequest, _ call: Call) async throws(DemoFault) -> HTTPResponse {
    let draft = try DemoDraft.user(request.body, type: request.headers["Content-Type"])
    let id = try ChosenID(draft.id, request, call)
    let user = draft.record(id.id)
    let added = try await asking { () async throws(StoreTrouble) in
      try await rows.add(user, deadline: Self.deadline(request))
    }
    return try answer(added, call, id) { user.add(to: &$0) }
  }

  private func createMethod(_ request: HTTPRequest, _ call: Call) async throws(DemoFault) -> HTTPResponse {
    let draft = try DemoDraft.method(request.body, type: request.headers["Content-Type"])
    let id = try ChosenID(draft.id, request, call)
    let method = draft.record(id.id)
    let added = try await asking { () async throws(StoreTrouble) in
      try await rows.add(method, deadline: Self.deadline(request))
    }
    return try answer(added, call, id) { method.add(to: &$0) }
  }

  private func createRequest(_ request: HTTPRequest, _ call: Call) async throws(DemoFault) -> HTTPResponse {
    let draft = try DemoDraft.request(request.body, type: request.headers["Content-Type"])
    let id = try ChosenID(draft.id, request, call)
    let wanted = draft.record(id.id)
    let added = try await asking { () async throws(StoreTrouble) in
      try await rows.add(
        wanted, checksIDs: checksIDs, traceparent: request.trace?.traceparent,
        deadline: Self.deadline(request))
    }
    return try answer(added, call, id) { wanted.add(to: &$0) }
  }

  /// An id, and whether its row may be there already.
  private struct ChosenID {
    let id: UniqueID
    let isRepeatable: Bool

    /// The caller's, or one that is made of its idempotency key, or any.
    /// - Throws: where there are both an id and a key, as one of them would not count.
    init(_ given: UniqueID?, _ request: HTTPRequest, _ call: Call) throws(DemoFault) {
      guard let key = try Self.key(request) else {
        (id, isRepeatable) = (given ?? .ordered(at: .now()), false)
        return
      }
      if given != nil { throw .refused("expected no \(call.id) beside an Idempotency-Key, which makes one") }
      let text = Array("demo POST \(call.path)\0\(key)".utf8)
      (id, isRepeatable) = (UniqueID(digest: SHA256.digest(of: text.span.bytes)), true)
    }

    private static func key(_ request: HTTPRequest) throws(DemoFault) -> String? {
      do throws(Fault) {
        return try IdempotencyKeyHeader.optional(request.headers)
      } catch {
        throw .refused("expected an Idempotency-Key of 1 to 255 printable ASCII characters")
      }
    }
  }

  private func answer(
    _ added: DemoAdded, _ call: Call, _ id: ChosenID, _ show: (inout JSONObjectWriter) -> Void
  ) throws(DemoFault) -> HTTPResponse {
    switch added {
    case .new: break
    case .same where id.isRepeatable: break
    case .same, .differs: throw .refused("\(call.id) \(id.id) already exists")
    case .unknownUser: throw .refused("user_id not found")
    case .unknownMethod: throw .refused("payment_method_id not found")
    }
    var response = HTTPResponse.json(200, JSONWriter.object(reserving: 320, show))
    if added == .same { response.add(IdempotencyKeyHeader.replayed, "true") }
    return response
  }

  // MARK: - GET

  private func listUsers(_ request: HTTPRequest, _ call: Call) async throws(DemoFault) -> HTTPResponse {
    try await list(request, call, rows.users)
  }

  private func listMethods(_ request: HTTPRequest, _ call: Call) async throws(DemoFault) -> HTTPResponse {
    try await list(request, call, rows.methods)
  }

  private func listRequests(_ request: HTTPRequest, _ call: Call) async throws(DemoFault) -> HTTPResponse {
    try await list(request, call, rows.requests)
  }

  private func list<Record: DemoRecord>(
    _ request: HTTPRequest, _ call: Call,
    _ read: (DemoPage, Instant) async throws(StoreTrouble) -> [DemoRow<Record>]
  ) async throws(DemoFault) -> HTTPResponse {
    let page = try Self.page(request.query)
    var list = ListBody()
    var (part, hasMore) = (page, true)
    while hasMore, list.count < page.limit, !list.isFull {
      part.limit = min(page.limit - list.count, Self.rowsAtOnce)
      let found = try await asking { () async throws(StoreTrouble) in
        try await read(part, Self.deadline(request))
      }
      hasMore = found.count > part.limit
      for (index, row) in found.prefix(part.limit).enumerated() {
        list.add(row)
        part.after = DemoCursor(createdAt: row.createdAt, id: row.record.id)
        if list.isFull {
          hasMore = index + 1 < found.count
          break
        }
      }
    }
    var response = HTTPResponse.json(200, list.whole)
    if hasMore, let next = part.after?.text {
      response.add("Link", "<\(call.path)?limit=\(page.limit)&after=\(next)>; rel=\"next\"")
    }
    return response
  }

  /// The most rows that are in memory, and are written without a break.
  private static let rowsAtOnce = 500

  /// The body of a page.
  private struct ListBody {
    /// With so many bytes a page ends, whatever its limit.
    private static let longest = 1 << 20

    private var bytes: [UInt8] = [UInt8(ascii: "[")]
    private(set) var count = 0

    var isFull: Bool { bytes.count >= Self.longest }
    var whole: [UInt8] { bytes + [UInt8(ascii: "]")] }

    mutating func add<Record: DemoRecord>(_ row: DemoRow<Record>) {
      if count > 0 { bytes.append(UInt8(ascii: ",")) }
      count += 1
      JSONWriter.appendObject(to: &bytes) { object in
        row.record.add(to: &object)
        object.add("created_at", row.createdAt.isoFormat)
      }
    }
  }

  /// `limit` and `after`; what else a query has is passed over, as FastAPI does.
  private static func page(_ query: HTTPQuery) throws(DemoFault) -> DemoPage {
    var page = DemoPage()
    if let text = query["limit"] {
      guard let limit = Int(text), (1...DemoPage.longest).contains(limit) else {
        throw Self.fault("limit", "expected an integer from 1 to \(DemoPage.longest)")
      }
      page.limit = limit
    }
    if let text = query["after"] {
      guard let cursor = DemoCursor(text) else { throw Self.fault("after", "expected the cursor of a page") }
      page.after = cursor
    }
    return page
  }

  private static func fault(_ parameter: String, _ message: String) -> DemoFault {
    .invalid([DemoFieldFault([.name("query"), .name(parameter)], "value_error", message)])
  }

  private func asking<Value>(
    _ body: () async throws(StoreTrouble) -> Value
  ) async throws(DemoFault) -> Value {
    do throws(StoreTrouble) {
      return try await body()
    } catch {
      let fault = Fault(error)
      handlers.note(fault)
      throw .failed(fault.problem.status, SurfaceAnswer.words(fault), retryAfter: fault.retryAfter)
    }
  }

  private static func deadline(_ request: HTTPRequest) -> Instant { request.arrived + RouteHandlers.callTime }
}

/// What the surface shows.
private protocol DemoRecord {
  var id: UniqueID { get }
  /// Adds its fields.
  func add(to object: inout JSONObjectWriter)
}

extension DemoRequest: DemoRecord {}

extension DemoUser: DemoRecord {
  fileprivate func add(to object: inout JSONObjectWriter) {
    object.add("user_id", id)
    object.add("first_name", firstName)
    object.add("last_name", lastName)
  }
}

extension DemoMethod: DemoRecord {
  fileprivate func add(to object: inout JSONObjectWriter) {
    object.add("payment_method_id", id)
    object.add("name", name)
  }
}

extension Timestamp {
  /// As Python's isoformat writes it: `2026-01-31T08:15:00.000250+00:00`, without a fraction that is zero.
  var isoFormat: String {
    let hasFraction = clamped.microseconds % 1_000_000 != 0
    return String(decoding: utf8Bytes.prefix(hasFraction ? 26 : 19), as: UTF8.self) + "+00:00"
  }
}
