import SagaDomain
import SagaMessages

/// `list`: shows payments.
struct List: Subcommand {
  static let usage = Usage(
    name: "list", summary: "show payments, in the order in which they were opened",
    options: [
      Option("--status", "S", "only those that are CREATED, COMPLETED or FAILED"),
      Option("--limit", "N", "at most so many; default 50"),
    ] + Option.server,
    synopsis: "[--status S] [--limit N] [--server HOST:PORT]", example: "paysaga list --status CREATED --limit 10")

  private let status: PaymentStatus?
  private let limit: Int
  private let server: ServerTarget

  init(_ arguments: Arguments) throws(CommandError) {
    status = try arguments.choice("--status", PaymentStatus.self)
    limit = Int(try arguments.integer("--limit", in: 1...1_000_000_000) ?? 50)
    server = try ServerTarget(arguments)
  }

  func run(_ session: Session) throws {
    let client = try PaymentsClient(server, session.settings)
    var left = limit
    var token = ""
    while left > 0, !session.output.isClosed {
      let page = try client.list(wanted, pageSize: min(left, PaymentLimits.pageSize), pageToken: token)
      for payment in page.payments.prefix(left) { session.output.print(Record(payment)) }
      left -= page.payments.count
      token = page.nextPageToken
      if token.isEmpty { break }
      session.output.flush()
    }
    if left == limit { notice("no payments\(status.map { " are \($0.rawValue)" } ?? "")") }
  }

  private var wanted: PaymentsV1.PaymentStatus {
    switch status {
    case nil: .unspecified
    case .created: .created
    case .completed: .completed
    case .failed: .failed
    }
  }
}
