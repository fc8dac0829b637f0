internal import BankStubDomain
internal import Glibc
internal import HTTPServer
public import Logger
public import Metrics
public import Runtime
internal import Synchronization
public import Values

/// The imitated bank: `/payment` for callers, `/control` for whoever wants it to go wrong.
///
/// | call | does |
/// |---|---|
/// | `POST /payment` | charges; `operation_id` is the caller's |
/// | `GET /payment/{operation_id}` | what became of it; 404 when the bank knows no such payment |
/// | `POST /payment/{operation_id}/refund` | gives money of a charge back; `refund_id` is the caller's |
/// | `POST /payment/{operation_id}/reverse` | undoes the charge, or refuses it from then on |
/// | `GET /statement?from=&to=&format=` | what it has done from one time on and before another; csv or ndjson |
/// | `GET /control`, `PUT /control` | how the bank behaves, see `BankBehaviour` |
/// | `GET /control/operations` | requests and charges of each operation, a line each |
/// | `GET /control/operations/{operation_id}` | those of one |
///
/// What it has done is on disk before it answers. Listens without TLS and without credentials, for development and
/// tests. docs/bank-stub.md has the faults.
public final class BankStub: ServicePart {
  private let server: HTTPServer
  private let desk: BankDesk
  private let thread = Mutex<WorkerThread?>(nil)

  /// - Parameters:
  ///   - address: where to listen; port 0 for any free one.
  ///   - file: the path of the file with the operations; made where it is missing.
  /// - Throws: when the file cannot be read.
  public convenience init(
    address: NetworkAddress, file: String, logger: Logger, metrics: MetricsRegistry
  ) throws(BankStubError) {
    try self.init(address: address, file: file, sync: { fdatasync($0) }, logger: logger, metrics: metrics)
  }

  /// - Parameter sync: brings what was written to disk; 0 when it is there.
  init(
    address: NetworkAddress, file: String, sync: @escaping @Sendable (_ descriptor: Int32) -> Int32, logger: Logger,
    metrics: MetricsRegistry
  ) throws(BankStubError) {
    desk = try BankDesk(path: file, sync: sync, logger: logger)
    server = HTTPServer(
      HTTPServerConfiguration(address: address, surface: "bankstub", addressName: "BANKSTUB_ADDR"),
      router: Self.router(desk), logger: logger, metrics: metrics)
  }

  /// The port it listens on; nil while it does not.
  public var boundPort: UInt16? { server.boundPort }

  /// Begins to serve.
  public func start() throws {
    thread.withLock { $0 = desk.start() }
    do {
      try server.start()
    } catch {
      stop(until: .now())
      throw error
    }
  }

  /// Ends the service; answers that are due later are not sent.
  public func stop(until deadline: Instant) {
    guard
      let thread = thread.withLock({ thread in
        defer { thread = nil }
        return thread
      })
    else { return }
    desk.stop()
    thread.join()
    server.stop(until: deadline)
  }

  // MARK: - Routes

  /// A hang lasts longer than any caller waits.
  private static let answerTime = Duration.seconds(3_600)

  private static func router(_ desk: BankDesk) -> HTTPRouter {
    var router = HTTPRouter()
    router.add(.post, "/payment", answerTime: answerTime) { request, exchange in
      do throws(ChargeRequest.Unreadable) {
        submit(.charge(try ChargeRequest(request.body)), exchange, desk)
      } catch {
        refuse(error.description, exchange)
      }
    }
    router.add(.get, "/payment/{operation_id}", answerTime: answerTime) { request, exchange in
      withID(request, exchange) { submit(.find($0), exchange, desk) }
    }
    router.add(.post, "/payment/{operation_id}/refund", answerTime: answerTime) { request, exchange in
      withID(request, exchange) { id in
        do throws(ChargeRequest.Unreadable) {
          submit(.refund(try RefundRequest(request.body, of: id)), exchange, desk)
        } catch {
          refuse(error.description, exchange)
        }
      }
    }
    router.add(.post, "/payment/{operation_id}/reverse", answerTime: answerTime) { request, exchange in
      withID(request, exchange) { submit(.reverse($0), exchange, desk) }
    }
    router.add(.get, "/statement") { request, exchange in state(request, exchange, desk) }
    router.add(.get, "/control") { _, exchange in
      exchange.respond(.json(200, desk.withBehaviour { $0.json }))
    }
    router.add(.put, "/control") { request, exchange in
      do throws(BankBehaviour.Unreadable) {
        let json = try desk.withBehaviour { (behaviour) throws(BankBehaviour.Unreadable) in
          try behaviour.change(by: request.body)
          return behaviour.json
        }
        exchange.respond(.json(200, json))
      } catch {
        refuse(error.description, exchange)
      }
    }
    router.add(.get, "/control/operations") { _, exchange in
      let lines = desk.operations.flatMap { $0.line + [UInt8(ascii: "\n")] }
      exchange.respond(HTTPResponse(200, contentType: "application/x-ndjson", body: lines))
    }
    router.add(.get, "/control/operations/{operation_id}") { request, exchange in
      withID(request, exchange) { id in
        exchange.respond(desk.operation(id).map { .json(200, $0.line) } ?? .text(404, "no such operation\n"))
      }
    }
    return router
  }

  private static func state(_ request: HTTPRequest, _ exchange: HTTPExchange, _ desk: BankDesk) {
    func time(_ name: String, _ other: Int64) -> Timestamp? {
      guard let text = request.query[name] else { return Timestamp(microseconds: other) }
      return Timestamp(text)
    }
    guard let from = time("from", .min), let to = time("to", .max) else {
      return refuse("from and to are times such as 2026-01-31T00:00:00Z", exchange)
    }
    guard let format = BankStatement.Format(rawValue: request.query["format"] ?? "csv") else {
      return refuse("format is csv or ndjson", exchange)
    }
    let bytes = desk.statement(from: from, to: to).bytes(format)
    exchange.respond(HTTPResponse(200, contentType: format.mediaType, body: bytes))
  }

  private static func submit(_ job: BankDesk.Job, _ exchange: HTTPExchange, _ desk: BankDesk) {
    if !desk.submit(job, exchange) { exchange.respond(.text(503, "too many requests wait\n")) }
  }

  private static func withID(_ request: HTTPRequest, _ exchange: HTTPExchange, _ body: (UniqueID) -> Void) {
    guard let id = request.parameters["operation_id"].flatMap({ UniqueID($0) }) else {
      return refuse("operation_id is no UUID", exchange)
    }
    body(id)
  }

  private static func refuse(_ reason: String, _ exchange: HTTPExchange) {
    exchange.respond(.json(400, JSONWriter.object { $0.add("error", reason) }))
  }
}
