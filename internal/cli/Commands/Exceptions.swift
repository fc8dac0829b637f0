import Money
import Postgres
import ProcessingStore
import Values

/// `exceptions`: shows what contradicts the books and waits for a person.
struct Exceptions: Subcommand {
  static let usage = Usage(
    name: "exceptions", summary: "show what contradicts the books of direct payments and waits for a person",
    operand: "list", options: [Option("--limit", "N", "at most so many; default 50")], synopsis: "[list] [--limit N]",
    notes: """
      Oldest first. charged_not_completed: the bank charged what is not COMPLETED here. completed_not_charged: it did
      not, or has undone it. reversal_not_acknowledged: the bank knew nothing of the charge, and acknowledges no
      reversal. ledger_refused: a hold could not be posted or given back. order_dead: the payment is COMPLETED, and its
      order cannot be settled.
      """,
    example: "paysaga exceptions")

  private let limit: Int

  init(_ arguments: Arguments) throws(CommandError) {
    if let word = arguments.operand, word != "list" {
      throw .usage("exceptions takes no \"\(printable(word))\"; see paysaga exceptions --help")
    }
    // One answer holds them all.
    limit = Int(try arguments.integer("--limit", in: 1...100_000) ?? 50)
  }

  func run(_ session: Session) throws {
    let connection = try Connection.open(try session.database(of: "PROCESSING_"), logger: session.logger)
    defer { connection.close() }
    let open = try ExceptionStore().list(limit: limit, on: connection)
    for exception in open { session.output.print(exception.record) }
    if open.isEmpty { notice("nothing contradicts the books") }
  }
}

extension OpenException {
  fileprivate var record: Record {
    [
      "payment_id": .uuid(paymentID), "kind": .text(kind), "opened_at": .time(openedAt),
      "state": state.map { .text($0) } ?? .null, "amount_minor": amount.map { .number($0.minorUnits) } ?? .null,
      "currency": amount.map { .text($0.currency.code) } ?? .null, "order_id": orderID.map { .number($0) } ?? .null,
      "detail": detail.map { .text($0) } ?? .null,
    ]
  }
}
