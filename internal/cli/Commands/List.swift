import SagaDomain
import SagaMessages
import StandardMessages
import Values

/// `list`: shows payments.
struct List: Subcommand {
  static let usage = Usage(
    name: "list", summary: "show payments, in the order in which they were opened, or the newest first",
    options: [
      Option("--status", "S", "only those that are CREATED, COMPLETED or FAILED"),
      Option("--order", "N", "only that of this order"), Option("--newest", nil, "the newest first"),
      Option(
        "--since", "TIME", "opened then or later, the newest first: 2026-01-31T12:00:00Z, or how long ago, such as 2h"),
      Option("--limit", "N", "at most so many; default 50"),
    ] + Option.server,
    synopsis: "[--status S] [--order N] [--newest] [--since TIME] [--limit N] [--server HOST:PORT]",
    example: "paysaga list --status CREATED --since 1h")

  private let request: PaymentsV1.ListPaymentsRequest
  private let status: PaymentStatus?
  private let order: Int64?
  private let limit: Int
  private let server: ServerTarget

  init(_ arguments: Arguments) throws(CommandError) {
    status = try arguments.choice("--status", PaymentStatus.self)
    order = try arguments.integer("--order", in: 1...Int64.max)
    let since = try arguments.moment("--since")
    guard order == nil || since == nil else { throw .usage("--order and --since exclude each other") }
    request = PaymentsV1.ListPaymentsRequest(
      status: Self.message(status), newestFirst: arguments.has("--newest") || since != nil,
      createdSince: since.map { GoogleProtobuf.Timestamp(microsecondsSince1970: $0.microseconds) })
    limit = Int(try arguments.integer("--limit", in: 1...1_000_000_000) ?? 50)
    server = try ServerTarget(arguments)
  }

  func run(_ session: Session) throws {
    let client = try PaymentsClient(server, session)
    if let order {
      // An order has one payment.
      guard let payment = try client.find(order), status == nil || payment.status == request.status else {
        return notice("no such payments")
      }
      return session.output.print(rows: [Record(payment)])
    }
    var left = limit
    var request = request
    while left > 0, !session.output.isClosed {
      request.pageSize = Int32(clamping: min(left, PaymentLimits.pageSize))
      let page = try client.list(request)
      session.output.print(rows: page.payments.prefix(left).map { Record($0) })
      left -= page.payments.count
      request.pageToken = page.nextPageToken
      if request.pageToken.isEmpty { break }
      session.output.flush()
    }
    if left == limit { notice("no payments\(status.map { " are \($0.rawValue)" } ?? "")") }
  }

  private static func message(_ status: PaymentStatus?) -> PaymentsV1.PaymentStatus {
    switch status {
    case nil: .unspecified
    case .created: .created
    case .completed: .completed
    case .failed: .failed
    }
  }
}
