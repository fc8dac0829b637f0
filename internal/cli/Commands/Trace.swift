import Values

/// `trace`: tells the story of one order, payment, event or operation.
struct Trace: Subcommand {
  static let usage = Usage(
    name: "trace", summary: "tell what happened to an order: its payments, who asked, and what became of the events",
    operand: "ID",
    options: [
      Option("--order", "N", "an order's number"), Option("--payment", "ID", "a payment's number or UUID"),
      Option("--event", "ID", "an event's UUID, the header ce_id"),
    ],
    synopsis: "ORDER|PAYMENT|EVENT-ID|OPERATION-ID",
    notes: """
      A line for each thing that happened, oldest first. A number is an order's or, when no order has it, that of a
      payment; a UUID is that of a direct payment, a refund, a debit or an event. The options say which. Direct payments
      of the order are part of its story, with who decided a review, what risk decided, what the bank was asked, the
      ledger, webhooks, refunds and exceptions.
      """,
    example: "paysaga trace 111")

  private let wanted: StoryQuestion

  init(_ arguments: Arguments) throws(CommandError) {
    let given = [arguments.operand, arguments.text("--order"), arguments.text("--payment"), arguments.text("--event")]
    guard given.compactMap(\.self).count == 1 else {
      throw .usage("trace needs one of ID, --order, --payment and --event; paysaga trace --help")
    }
    if let order = try arguments.integer("--order", in: 1...Int64.max) {
      wanted = .order(order)
    } else if let event = try arguments.id(option: "--event") {
      wanted = .event(event)
    } else if let text = arguments.text("--payment") {
      wanted = try Self.parse(text, "--payment", number: StoryQuestion.payment, id: StoryQuestion.direct)
    } else {
      wanted = try Self.parse(arguments.operand ?? "", "trace", number: StoryQuestion.number, id: StoryQuestion.id)
    }
  }

  private static func parse(
    _ text: String, _ name: String, number: (Int64) -> StoryQuestion, id: (UniqueID) -> StoryQuestion
  ) throws(CommandError) -> StoryQuestion {
    if let value = UniqueID(text) { return id(value) }
    if let value = Int64(text), value > 0, !text.hasPrefix("+") { return number(value) }
    throw .usage("\(name) expects a number from 1 or a UUID of 36 characters, found \"\(printable(text))\"")
  }

  func run(_ session: Session) throws {
    let sources = StorySources(session)
    defer { sources.close() }
    let story = try sources.story(wanted)
    for entry in story.entries { session.output.print(Record(entry), line: entry.line) }
    if story.entries.isEmpty { throw CommandError.failure("nothing is known of \(wanted)") }
  }
}
