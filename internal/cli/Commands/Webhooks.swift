import DirectDomain
import GatewayDomain
import GatewayStore
import Postgres
import Values

extension Session {
  /// A connection for looking at the tables of the gateway.
  fileprivate func gatewayTables() throws -> Connection {
    try Connection.open(try database(of: "GATEWAY_"), logger: logger)
  }
}

/// `webhooks list`: shows webhook endpoints.
struct WebhooksList: Subcommand {
  static let usage = Usage(
    name: "webhooks list", summary: "show the endpoints that are told of payments, without their secrets",
    synopsis: "", example: "paysaga webhooks list")

  init(_ arguments: Arguments) throws(CommandError) {}

  func run(_ session: Session) throws {
    let connection = try session.gatewayTables()
    defer { connection.close() }
    let found = try WebhookEndpointStore(GatewayTables()).all(on: connection)
    session.output.print(rows: found.map(\.endpoint.record))
    if found.isEmpty { notice("there are no webhook endpoints") }
  }
}

/// `webhooks show`: shows an endpoint, or a delivery with its attempts.
struct WebhooksShow: Subcommand {
  static let usage = Usage(
    name: "webhooks show", summary: "show an endpoint, or a delivery with its attempts", operand: "ID",
    synopsis: "ID",
    notes: "The id of a delivery is what its receiver sees as webhook-id. The last attempt comes first.",
    example: "paysaga webhooks show 01980f3e-7c51-7000-8000-000000000000")

  private let id: UniqueID

  init(_ arguments: Arguments) throws(CommandError) { id = try arguments.id("an endpoint or a delivery") }

  func run(_ session: Session) throws {
    let connection = try session.gatewayTables()
    defer { connection.close() }
    let tables = GatewayTables()
    if let stored = try WebhookEndpointStore(tables).endpoint(id, on: connection) {
      return session.output.print(stored.endpoint.record)
    }
    let reader = WebhookReader(tables)
    guard let delivery = try reader.delivery(id, on: connection) else {
      throw CommandError.failure("there is no webhook endpoint and no delivery \(id)")
    }
    session.output.print(delivery.record)
    session.output.print(rows: try reader.attempts(of: id, on: connection).map(\.record))
  }
}

/// `webhooks deliveries`: shows what was or will be sent to an endpoint.
struct WebhooksDeliveries: Subcommand {
  static let usage = Usage(
    name: "webhooks deliveries", summary: "show the deliveries of an endpoint, the newest first", operand: "ID",
    options: [
      Option("--status", "S", "only those that are pending, delivered or failed"),
      Option("--limit", "N", "at most so many; default 50"),
    ], synopsis: "ID [--status S] [--limit N]",
    example: "paysaga webhooks deliveries 01980f3e-7c51-7000-8000-000000000000 --status failed")

  private let id: UniqueID
  private let filter: WebhookDeliveryFilter
  private let limit: Int

  init(_ arguments: Arguments) throws(CommandError) {
    id = try arguments.id("an endpoint")
    let status = arguments.text("--status")
    do throws(RequestFault) {
      filter = try WebhookDeliveryFilter(status.map { [("status", $0)] } ?? [])
    } catch {
      throw .usage("--status expects pending, delivered or failed, found \"\(printable(status ?? ""))\"")
    }
    limit = Int(try arguments.integer("--limit", in: 1...100_000) ?? 50)
  }

  func run(_ session: Session) throws {
    let connection = try session.gatewayTables()
    defer { connection.close() }
    let reader = WebhookReader(GatewayTables())
    var (page, left) = (filter, limit)
    while left > 0 {
      page.limit = min(left, PaymentFilter.maximumLimit)
      let found = try reader.list(page, of: id, on: connection)
      session.output.print(rows: found.prefix(page.limit).map(\.record))
      left -= page.limit
      guard found.count > page.limit, let last = found.prefix(page.limit).last else { break }
      page.after = PaymentCursor(last.id)
    }
  }
}

// MARK: - As they are printed

extension WebhookEndpoint {
  fileprivate var record: Record {
    var (word, why, when): (String, String?, Timestamp?) = ("enabled", nil, nil)
    if case .disabled(let reason, let since) = state { (word, why, when) = ("disabled", reason.rawValue, since) }
    return [
      "id": .uuid(id), "url": .text(url), "events": .text(events.joined(separator: ",")), "state": .text(word),
      "disabled_reason": .optional(why), "disabled_at": .optional(when), "failing_since": .optional(failingSince),
      "description": .optional(description), "created_at": .time(createdAt),
    ]
  }
}

extension WebhookDelivery {
  fileprivate var record: Record {
    var (due, ended, why): (Timestamp?, Timestamp?, String?)
    switch outcome {
    case .pending(let moment): due = moment
    case .delivered(let moment): ended = moment
    case .failed(let failure, let moment): (ended, why) = (moment, failure.rawValue)
    }
    return [
      "id": .uuid(id), "endpoint_id": .uuid(endpointID), "type": .text(event.type),
      "payment_id": .uuid(event.paymentID), "refund_id": event.refundID.map { .uuid($0) } ?? .null,
      "version": .number(event.standing.version), "status": .text(outcome.word), "attempts": .number(attempts),
      "failure": .optional(why), "created_at": .time(createdAt), "due_at": .optional(due), "ended_at": .optional(ended),
    ]
  }
}

extension WebhookAttempt {
  fileprivate var record: Record {
    [
      "attempt": .number(number), "at": .time(at), "ended_at": .time(endedAt),
      "status": status.map { .number(Int64($0)) } ?? .null, "error": .optional(error),
      "answer": .text(String(decoding: answer, as: UTF8.self)),
    ]
  }
}
