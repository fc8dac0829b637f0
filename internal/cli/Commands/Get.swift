/// `get`: shows the payment of an order.
struct Get: Subcommand {
  static let usage = Usage(
    name: "get", summary: "show the payment of an order", options: [Option.order] + Option.server,
    synopsis: "--order N [--server HOST:PORT]", example: "paysaga get --order 111 --json")

  private let order: Int64
  private let server: ServerTarget

  init(_ arguments: Arguments) throws(CommandError) {
    order = try arguments.order()
    server = try ServerTarget(arguments)
  }

  func run(_ session: Session) throws {
    session.output.print(Record(try PaymentsClient(server, session).get(order)))
  }
}
