import Glibc
import HTTP2
import Kafka
import Logger
import Protobuf
import Runtime
import SagaMessages
import Values

/// Takes `count` orders from `first` on through the saga: puts their inventory messages on a topic, at `rate` a second
/// or at once without one, reads the topic of events, settles each payment when its first event comes, by `streams`
/// calls at a time, and ends when the second event of each has come. Times count from when an order was put on the
/// topic, and from when its call began.
final class SagaLoad: CallSource, @unchecked Sendable {
  // @unchecked: each property below belongs to one thread; `run` reads them when all have ended.
  private let brokers: String
  private let inventory: String
  private let payment: String
  private let partitions: Int
  private let address: NetworkAddress
  private let streams: Int
  private let first: Int
  private let count: Int
  private let rate: Int
  private let properties: [String: String]
  private let loop = EventLoop(name: "load")
  private let headers = HTTP2HeaderBlock.call("UpdatePaymentStatus")
  private let logger = Logger(label: "bench-load", level: .warning)

  // The producing thread's.
  private var sent: [Instant]
  // The reading thread's.
  private var opened: [Instant?]
  private var settled: [Instant?]
  private var missing: Int
  // The loop's.
  private var connection: CallConnection?
  private var waiting: [Int] = []
  private var next = 0
  private var open = 0
  private var called: [Instant]
  private var failures = 0

  /// How long nothing may happen before the load gives up.
  private static let patience = Duration.seconds(60)

  init(_ options: LoadOptions) {
    brokers = options.text("brokers")
    inventory = options.text("inventory")
    payment = options.text("payment")
    partitions = options.number("partitions")
    guard let address = NetworkAddress(options.text("address")) else { fail("--address is not HOST:PORT") }
    self.address = address
    streams = options.number("streams", default: 256)
    first = options.number("first", default: 1)
    count = options.number("count")
    rate = options.number("rate", default: 0)
    let wait = options.number("fetch-wait-ms", default: 0)
    properties = wait > 0 ? ["fetch.wait.max.ms": "\(wait)"] : [:]
    let start = Instant.now()
    sent = Array(repeating: start, count: count)
    called = sent
    opened = Array(repeating: nil, count: count)
    settled = opened
    missing = count
  }

  func run() {
    loop.start()
    do {
      let descriptor = try TCPSocket.connect(address, timeout: .seconds(5))
      loop.execute { [self] in connection = CallConnection(self, loop, descriptor: descriptor) }
      let consumer = try startReading()
      let reader = WorkerThread(name: "reader") { [self] in read(consumer) }
      let started = Instant.now()
      let producer = try KafkaProducer(
        KafkaConfiguration(brokers: brokers, clientID: "bench-load"),
        options: KafkaProducer.Options(linger: rate > 0 && rate < 1_000 ? .zero : .milliseconds(1)), logger: logger,
        onDelivery: { reports in
          if let failure = reports.lazy.compactMap(\.failure).first { fail("a message was not taken: \(failure)") }
        })
      produce(with: producer)
      reader.join()
      // An acknowledgement may come later than the events.
      _ = producer.flush(until: .now() + Self.patience)
      producer.close()
      waitForCalls()
      report(seconds: (Instant.now() - started).inSeconds)
    } catch {
      fail("\(error)")
    }
  }

  // MARK: - The producing thread

  private func produce(with producer: KafkaProducer) {
    producer.warmUp(topic: inventory, until: .now() + .seconds(5))
    let started = Instant.now()
    var next = 0
    while next < count {
      let now = Instant.now()
      var records: [ProducerRecord] = []
      while next < count, records.count < 1_000, rate == 0 || due(next, started) <= now {
        sent[next] = now
        records.append(LoadRecords.inventory(first + next, topic: inventory))
        next += 1
      }
      let (accepted, failure) = producer.produce(records)
      guard accepted == records.count else { fail("\(failure.map { "\($0)" } ?? "not taken")") }
      if rate > 0, next < count { usleep(UInt32(max(100, (due(next, started) - .now()).inNanoseconds / 1_000))) }
    }
  }

  private func due(_ index: Int, _ started: Instant) -> Instant {
    started + .nanoseconds(Int64(index) * 1_000_000_000 / Int64(rate))
  }

  // MARK: - The reading thread

  private func startReading() throws(KafkaError) -> KafkaConsumer {
    let consumer = try KafkaConsumer(
      KafkaConfiguration(brokers: brokers, clientID: "bench-load", properties: properties), options: .init(),
      logger: logger)
    let places = (0..<partitions).map { TopicPartition(payment, Int32($0)) }
    var starts: [(place: TopicPartition, from: StartPosition)] = []
    for place in places {
      let end = try consumer.queryWatermarks(place, until: .now() + .seconds(10)).high
      starts.append((place, .offset(end)))
    }
    try consumer.assign(starts)
    return consumer
  }

  private func read(_ consumer: KafkaConsumer) {
    let record = ScannedRecord(headers: ["seq"])
    do {
      while missing > 0 {
        var orders: [Int] = []
        let found = try consumer.scan(
          into: record, max: 1_000, until: .now() + Self.patience, atEnd: { _, _ in },
          onRecord: { note($0, &orders) })
        if found == 0 { fail("\(missing) of \(count) orders are not settled, and no event comes") }
        if !orders.isEmpty { loop.execute { [self, orders] in settle(orders) } }
      }
    } catch {
      fail("\(error)")
    }
    consumer.close(until: .now() + .seconds(5))
  }

  private func note(_ record: ScannedRecord, _ orders: inout [Int]) {
    guard let order = Int(String(decoding: record.key, as: UTF8.self)) else { fail("an event has another key") }
    let index = order - first
    guard (0..<count).contains(index) else { return }
    if record.headers[0] == [UInt8(ascii: "1")] {
      if opened[index] != nil { return }
      opened[index] = .now()
      orders.append(order)
    } else if settled[index] == nil {
      settled[index] = .now()
      missing -= 1
    }
  }

  // MARK: - The loop's thread

  private func settle(_ orders: [Int]) {
    waiting += orders
    while open < streams, next < waiting.count { connection?.call() }
  }

  func nextRequest() -> (headers: HTTP2HeaderBlock, message: [UInt8])? {
    guard next < waiting.count else { return nil }
    let order = waiting[next]
    next += 1
    open += 1
    called[order - first] = .now()
    return (
      headers, PaymentsV1.UpdatePaymentStatusRequest(orderID: Int64(order), status: .completed).serialized()
    )
  }

  func ended(since start: Instant, isOK: Bool) {
    open -= 1
    if !isOK { failures += 1 }
  }

  /// Events may come before the answers of their calls.
  private func waitForCalls() {
    let deadline = Instant.now() + Self.patience
    let isIdle = Monitor(false)
    while Instant.now() < deadline {
      loop.execute { [self] in if open == 0 { isIdle.update { $0 = true } } }
      if isIdle.wait(until: .now() + .milliseconds(50), { $0 ? true : nil }) != nil { return }
    }
    fail("calls are not answered")
  }

  private func report(seconds: Double) {
    let result = JSONWriter.object { result in
      result.add("orders", count)
      result.add("failures", failures)
      result.add("seconds", seconds)
      let opening = Self.microseconds(opened, since: sent)
      result.add("opened_p50_us", opening.percentile(0.50))
      result.add("opened_p99_us", opening.percentile(0.99))
      let settling = Self.microseconds(settled, since: called)
      result.add("settled_p50_us", settling.percentile(0.50))
      result.add("settled_p99_us", settling.percentile(0.99))
    }
    print(String(decoding: result, as: UTF8.self))
  }

  private static func microseconds(_ ends: [Instant?], since starts: [Instant]) -> [Int] {
    var times: [Int] = []
    for (end, start) in zip(ends, starts) {
      if let end { times.append(Int((end - start).inNanoseconds / 1_000)) }
    }
    return times.sorted()
  }
}
