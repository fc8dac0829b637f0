import Kafka
import Logger
import Runtime
import Values

/// Fills a topic with `count` messages as fast as it goes: `kind` inventory (what opens payments) or payment (what the
/// relay publishes, headers and all). With `repeat` N each message comes once more N messages later.
struct ProduceLoad: Sendable {
  private static let window = 20_000
  private static let chunk = 1_000

  private let brokers: String
  private let topic: String
  private let kind: String
  private let firstOrder: Int
  private let count: Int
  private let distance: Int

  init(_ options: LoadOptions) {
    brokers = options.text("brokers")
    topic = options.text("topic")
    kind = options.text("kind")
    firstOrder = options.number("first", default: 1)
    count = options.number("count")
    distance = options.number("repeat", default: 0)
  }

  func run() {
    let tally = Monitor((acknowledged: 0, failed: 0))
    let producer: KafkaProducer
    do {
      producer = try KafkaProducer(
        KafkaConfiguration(brokers: brokers, clientID: "bench-load"),
        logger: Logger(label: "bench-load", level: .warning),
        onDelivery: { reports in
          let failed = reports.count { $0.failure != nil }
          tally.update {
            $0.acknowledged += reports.count - failed
            $0.failed += failed
          }
        })
      // The first record of a topic waits for its metadata; that is no part of the rate.
      try producer.produce(record(firstOrder))
    } catch {
      fail("\(error)")
    }
    _ = tally.wait(until: .now() + .seconds(20)) { $0.acknowledged + $0.failed == 1 ? true : nil }
    let orders = sequence()
    let started = Instant.now()
    var sent = 1
    for start in stride(from: 1, to: orders.count, by: Self.chunk) {
      let records = orders[start..<min(orders.count, start + Self.chunk)].map(record)
      let (accepted, failure) = producer.produce(records)
      guard accepted == records.count else { fail("\(failure.map { "\($0)" } ?? "not taken")") }
      sent += accepted
      let all = sent
      _ = tally.wait(until: .distantFuture) { all - $0.acknowledged - $0.failed < Self.window ? true : nil }
    }
    let all = sent
    _ = tally.wait(until: .distantFuture) { $0.acknowledged + $0.failed == all ? true : nil }
    let seconds = (Instant.now() - started).inSeconds
    producer.close()
    let failed = tally.withLock { $0.failed }
    let result = JSONWriter.object { result in
      result.add("messages", all)
      result.add("failures", failed)
      result.add("seconds", seconds)
    }
    print(String(decoding: result, as: UTF8.self))
  }

  /// The orders in the order of their messages.
  private func sequence() -> [Int] {
    guard distance > 0 else { return Array(firstOrder..<firstOrder + count) }
    let unique = count / 2
    var orders: [Int] = []
    for index in 0..<unique + distance {
      if index < unique { orders.append(firstOrder + index) }
      if index >= distance { orders.append(firstOrder + index - distance) }
    }
    return orders
  }

  private func record(_ order: Int) -> ProducerRecord {
    kind == "inventory" ? LoadRecords.inventory(order, topic: topic) : LoadRecords.payment(order, topic: topic)
  }
}
