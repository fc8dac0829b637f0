import SagaDomain
internal import SagaMessages
import StandardMessages

/// `pay`: settles a payment as COMPLETED.
struct Pay: Subcommand {
  static let usage = Usage(
    name: "pay", summary: "settle the payment of an order as COMPLETED", options: [Option.order] + Option.server,
    synopsis: "--order N [--server HOST:PORT]",
    notes: "Doing it again changes nothing and succeeds; a payment that has FAILED stays so, and this fails.",
    example: "paysaga pay --order 111")

  private let order: Int64
  private let server: ServerTarget

  init(_ arguments: Arguments) throws(CommandError) {
    order = try arguments.order()
    server = try ServerTarget(arguments)
  }

  func run(_ session: Session) throws {
    let client = try PaymentsClient(server, session)
    session.output.print(Record(try client.settle(order, .completed, reason: "")))
  }
}

/// `fail`: settles a payment as FAILED.
struct Fail: Subcommand {
  static let usage = Usage(
    name: "fail", summary: "settle the payment of an order as FAILED",
    options: [
      Option.order, Option("--reason", "TEXT", "why, at most \(PaymentLimits.reasonBytes) bytes"),
    ] + Option.server,
    synopsis: "--order N [--reason TEXT] [--server HOST:PORT]",
    notes: "Doing it again changes nothing and succeeds; a payment that is COMPLETED stays so, and this fails.",
    example: "paysaga fail --order 112 --reason \"card declined\"")

  private let order: Int64
  private let reason: String
  private let server: ServerTarget

  init(_ arguments: Arguments) throws(CommandError) {
    order = try arguments.order()
    reason = arguments.text("--reason") ?? ""
    server = try ServerTarget(arguments)
    guard reason.utf8.count <= PaymentLimits.reasonBytes else {
      throw .usage("--reason takes at most \(PaymentLimits.reasonBytes) bytes, found \(reason.utf8.count)")
    }
  }

  func run(_ session: Session) throws {
    let client = try PaymentsClient(server, session)
    session.output.print(Record(try client.settle(order, .failed, reason: reason)))
  }
}
