import Kafka
import Runtime
import SagaDomain
import SagaSettings
import Settings
import Values

/// `push`: publishes inventory messages.
struct Push: Subcommand {
  static let usage = Usage(
    name: "push", summary: "publish inventory messages, as the inventory service does",
    options: [
      Option("--order", "N", "the order's number, from 1; the first one with --count"),
      Option("--status", "S", "what became of the reservation; default COMPLETED, which opens a payment"),
      Option("--key", "UUID", "the idempotency key; default a random one"),
      Option("--count", "N", "so many messages, of orders N, N+1, …, each with a random key; default 1"),
      Option("--rate", "R", "at most so many messages a second; default as fast as it goes"),
      Option("--amount-minor", "N", "the amount in the currency's smallest unit, with --currency"),
      Option("--currency", "CODE", "ISO 4217, such as EUR"),
    ],
    synopsis: "--order N [--status S] [--key UUID] [--count N] [--rate R] [--amount-minor N --currency CODE]",
    notes: """
      The topic is CONSUMER_TOPIC, the message's key the order's number. It is done when the broker has acknowledged
      every message; progress is shown on standard error.
      """,
    example: "paysaga push --order 1000 --count 100000 --rate 5000")

  private let order: Int64
  private let status: String
  private let key: UniqueID?
  private let count: Int64
  private let rate: Int64?
  private let amount: (minor: Int64, currency: String)?

  init(_ arguments: Arguments) throws(CommandError) {
    order = try arguments.order()
    count = try arguments.integer("--count", in: 1...1_000_000_000) ?? 1
    rate = try arguments.integer("--rate", in: 1...10_000_000)
    key = try Self.key(arguments)
    status = try Self.status(arguments)
    amount = try Self.amount(arguments)
    guard order <= Int64.max - (count - 1) else { throw .usage("--order \(order) with --count \(count) is too much") }
    guard key == nil || !arguments.has("--count") else {
      throw .usage("--key is for one message; with --count each has a random one")
    }
  }

  private static func key(_ arguments: Arguments) throws(CommandError) -> UniqueID? {
    guard let text = arguments.text("--key") else { return nil }
    guard let key = UniqueID(text) else {
      throw .usage("--key expects a UUID such as \(UniqueID.random()), found \"\(printable(text))\"")
    }
    return key
  }

  private static func status(_ arguments: Arguments) throws(CommandError) -> String {
    let text = arguments.text("--status") ?? "COMPLETED"
    guard InventoryStatus.isValid(text) else {
      throw .usage("--status expects \(InventoryStatus.rule), found \"\(printable(text))\"")
    }
    return text
  }

  private static func amount(_ arguments: Arguments) throws(CommandError) -> (minor: Int64, currency: String)? {
    let minor = try arguments.integer("--amount-minor", in: 0...Int64.max)
    let currency = arguments.text("--currency")
    guard let minor, let currency else {
      if minor == nil, currency == nil { return nil }
      throw .usage("--amount-minor and --currency go together")
    }
    let isCode = currency.utf8.allSatisfy { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
    guard isCode, currency.utf8.count == PaymentLimits.currencyLetters else {
      throw .usage("--currency expects three capital letters such as EUR, found \"\(printable(currency))\"")
    }
    return (minor, currency)
  }

  func run(_ session: Session) throws {
    let topic = session.settings.consumer.topic
    try Brokers(session).ensure(topic)
    let pusher = try Pusher(session, topic: topic, linger: count == 1 ? .zero : .milliseconds(5))
    defer { pusher.close() }
    session.interruption.handle { pusher.wake() }
    let start = Instant.now()
    let firstKey = key ?? .random()
    try pushAll(pusher, session, start, firstKey: firstKey)
    let tally = pusher.state
    let end = Instant.now()
    guard tally.acknowledged == count else { throw failure(tally, session) }
    if count == 1, let report = tally.last {
      session.output.print([
        "pushed": .number(1), "topic": .text(topic), "order_id": .number(order), "status": .text(status),
        "idempotent_key": .uuid(firstKey), "partition": .number(Int64(report.partition)),
        "offset": report.offset.map { .number($0) } ?? .null,
      ])
    } else {
      session.output.print([
        "pushed": .number(count), "topic": .text(topic), "first_order": .number(order),
        "last_order": .number(order + count - 1), "elapsed_ms": .number((end - start).inMilliseconds),
        "rate": .number(Int64(saturating: Double(count) / max((end - start).inSeconds, 0.001))),
      ])
    }
  }

  private func pushAll(_ pusher: Pusher, _ session: Session, _ start: Instant, firstKey: UniqueID) throws {
    var progress = Progress(total: count, start: start)
    var display = ProgressDisplay(start: start)
    defer { display.finish() }
    func look() {
      let now = Instant.now()
      guard now >= display.due else { return }
      progress.update(done: pusher.state.acknowledged, at: now)
      display.show(progress, at: now)
    }
    let pause = WakeSignal()
    for index in 0..<count {
      while let due = dueTime(of: index, start), Instant.now() < due, !session.interruption.isRequested {
        look()
        pause.wait(until: min(due, Instant.now() + .milliseconds(100)))
      }
      while !pusher.hasRoom(until: Instant.now() + .milliseconds(100)), !session.interruption.isRequested { look() }
      if session.interruption.isRequested { break }
      if index % 64 == 0 { look() }
      try pusher.push(
        InventoryMessage(
          orderID: order + index, idempotentKey: index == 0 ? firstKey : .random(), status: status, amount: amount))
    }
    // Every message is answered for by then: acknowledged, or failed by its delivery timeout.
    while !pusher.isDone(until: Instant.now() + .milliseconds(100)) { look() }
  }

  /// When a message may go at the earliest.
  private func dueTime(of index: Int64, _ start: Instant) -> Instant? {
    rate.map { start + .nanoseconds(Int64(saturating: Double(index) / Double($0) * 1e9)) }
  }

  private func failure(_ tally: Pusher.Tally, _ session: Session) -> CommandError {
    let done = "\(tally.acknowledged) of \(count) messages were acknowledged"
    if let fatal = tally.fatal { return .failure("\(done), then the producer failed: \(fatal)") }
    if tally.failed > 0 { return .failure("\(done); \(tally.failed) failed: \(tally.firstFailure ?? "")") }
    return .failure("interrupted: \(done)")
  }
}
