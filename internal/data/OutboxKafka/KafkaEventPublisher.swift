internal import Errors
public import Kafka
public import Logger
public import Outbox
internal import Postgres
internal import Runtime
internal import Synchronization
internal import Values

/// The relay's publisher on Kafka: an idempotent producer that is made anew, with backoff, when it has failed for good.
/// Callable on any thread.
public final class KafkaEventPublisher: EventPublisher {
  /// Accepts results, several at once, on the publisher's thread. Must not block.
  public typealias Handler = @Sendable ([PublishOutcome]) -> Void

  private let configuration: KafkaConfiguration
  private let deliveryTimeout: Duration
  private let topicInterval: Duration
  private let logger: Logger
  /// A closure of its own in a Mutex would be wrapped anew, and so grow, each time it is read.
  private struct Sink {
    var report: Handler = { _ in }
  }
  private let sink = Mutex(Sink())
  private let producer = Mutex<KafkaProducer?>(nil)
  private let isClosed = StopFlag()
  private let deliveries: Mutex<DeliveryWatch>
  private let pace: Mutex<PartitionPace>
  private let failures = Mutex(ProducerFailures())
  private let watch: Mutex<ObstacleWatch>
  private let watcher = Mutex<PeriodicJob?>(nil)

  /// - Parameters:
  ///   - deliveryTimeout: when to give a message up; the relay's `RelayConfiguration.deliveryTimeout`.
  ///   - topics: what the brokers are asked about now and then, so that `obstacle` can name what is wrong with them.
  ///   - topicInterval: how often they are asked.
  /// - Throws: `KafkaError` `.invalidConfiguration`.
  public init(
    _ configuration: KafkaConfiguration, deliveryTimeout: Duration, topics: [String] = [],
    topicInterval: Duration = .seconds(5), logger: Logger
  ) throws(KafkaError) {
    self.configuration = configuration
    self.deliveryTimeout = deliveryTimeout
    self.topicInterval = topicInterval
    self.logger = logger.labelled("producer")
    pace = Mutex(PartitionPace(deliveryTimeout: deliveryTimeout))
    deliveries = Mutex(DeliveryWatch(deliveryTimeout: deliveryTimeout))
    watch = Mutex(
      ObstacleWatch(topics: topics, every: topicInterval, ObstacleLog("events are not published", self.logger)))
    try replace()
  }

  /// Whether a broker is connected.
  public var isConnected: Bool { producer.withLock { $0 }?.isConnected ?? false }

  /// Why no broker is connected; nil while one is, and while nothing is known.
  public var connectionProblem: String? { producer.withLock { $0 }?.connectionProblem?.description }

  /// The producer's newest figures.
  var statistics: ClientStatistics? { producer.withLock { $0 }?.statistics }

  public var obstacle: PublishObstacle? { watch.withLock { $0.obstacle } }

  public func start(_ handler: @escaping Handler) {
    sink.withLock { $0.report = handler }
    watcher.withLock { watcher in
      guard watcher == nil else { return }
      let job = PeriodicJob(name: "producer-watch") { [self] in look() }
      watcher = job
      job.start()
    }
  }

  public func publish(_ messages: [OutboundMessage]) {
    let records = messages.map { message in
      ProducerRecord(
        topic: message.topic, key: Array(message.key.utf8), value: message.payload,
        headers: message.headers.map { RecordHeader($0.name, $0.value) }, token: message.token)
    }
    handOver(pace.withLock { $0.take(records, at: .now()) })
  }

  /// Gives records to the producer, and reports those that it does not take.
  private func handOver(_ records: [ProducerRecord]) {
    var rest = records[...]
    var refused: [PublishOutcome] = []
    while !rest.isEmpty {
      guard let producer = producer.withLock({ $0 }) else {
        let reason = failures.withLock { $0.reason } ?? "the producer is closed"
        pace.withLock { $0.takeBack(rest) }
        refused += rest.map { Self.untaken($0, .transient(reason)) }
        break
      }
      // Counted first: reports may come before `produce` returns.
      deliveries.withLock { $0.handOver(rest.count, at: .now()) }
      let (accepted, failure) = producer.produce(rest)
      if accepted < rest.count { deliveries.withLock { $0.takeBack(rest.count - accepted) } }
      rest = rest.dropFirst(accepted)
      guard let failure, let first = rest.popFirst() else { continue }
      pace.withLock { $0.takeBack(CollectionOfOne(first)) }
      switch failure.code {
      case .queueFull, .fatal, .closed:
        pace.withLock { $0.takeBack(rest) }
        refused += ([first] + rest).map { Self.untaken($0, .transient("\(failure)")) }
        rest = []
      case .messageTooLarge:
        refused.append(Self.untaken(first, .permanent("\(failure)", isCertain: true)))
      default:
        // Of this message alone, such as an absent topic; those behind it have other keys.
        deliveries.withLock { $0.noteRefusal("\(failure)", at: .now()) }
        refused.append(Self.untaken(first, .transient("\(failure)")))
      }
    }
    if !refused.isEmpty { sink.withLock { $0.report }(refused) }
  }

  /// The producer itself would not have it: no broker has seen it.
  private static func untaken(_ record: ProducerRecord, _ result: PublishOutcome.Result) -> PublishOutcome {
    PublishOutcome(token: record.token, result: result, mayBePersisted: false)
  }

  /// Learns where a topic's partitions are, so that the first event need not wait for it; blocks a second at most.
  public func warmUp(topic: String) {
    producer.withLock { $0 }?.warmUp(topic: topic, until: .now() + .seconds(1))
  }

  public func purge() {
    giveUpWaiting("purged before it was sent")
    producer.withLock { $0 }?.purge()
  }

  /// Reports the records that the producer has not been given.
  private func giveUpWaiting(_ reason: String) {
    let waiting = pace.withLock { $0.giveUp() }
    if waiting.isEmpty { return }
    sink.withLock { $0.report }(waiting.map { Self.untaken($0, .transient(reason)) })
  }

  /// Closes the producer for good; what it had not sent is reported.
  public func close() {
    isClosed.stop()
    // Not kept: it may not have been started, and holds the publisher.
    let watcher = watcher.withLock { watcher in
      defer { watcher = nil }
      return watcher
    }
    watcher?.stop()
    retire()
  }

  private func retire() {
    let last = producer.withLock { producer in
      defer { producer = nil }
      return producer
    }
    guard let last else { return }
    last.close()
    // What was not reported by now never will be.
    deliveries.withLock { $0.forgetUnanswered() }
    pace.withLock { $0.forgetUnderWay() }
    giveUpWaiting("the producer was closed before it was sent")
  }

  private func replace() throws(KafkaError) {
    // No linger: `PartitionPace` gathers what comes while a partition has records under way. The producer's time is
    // shorter by as long as a record may wait there.
    let (tick, wait) = pace.withLock { ($0.patience, $0.longestWait) }
    let options = KafkaProducer.Options(deliveryTimeout: deliveryTimeout - wait, linger: .zero, tick: tick)
    let fresh = try KafkaProducer(
      configuration, options: options, logger: logger,
      onDelivery: { [weak self] reports in self?.deliver(reports) },
      onFatal: { [weak self] error in self?.recover(from: error) },
      onTick: { [weak self] in self?.handOverOverdue() })
    producer.withLock { $0 = fresh }
    if isClosed.isStopped { retire() }
  }

  private func deliver(_ reports: [DeliveryReport]) {
    let hasAcknowledged = deliveries.withLock { $0.note(reports, at: .now()) }
    if hasAcknowledged { failures.withLock { $0.succeed() } }
    let outcomes = reports.map { report in
      guard let failure = report.failure else {
        let place = report.offset.map { MessagePlace(partition: report.partition, offset: $0) }
        return PublishOutcome(token: report.token, result: .acknowledged, place: place)
      }
      let isPermanent = failure.kind == .permanent
      return PublishOutcome(
        token: report.token,
        result: isPermanent ? .permanent("\(failure)", isCertain: false) : .transient("\(failure)"),
        mayBePersisted: failure.mayBePersisted)
    }
    sink.withLock { $0.report }(outcomes)
    handOver(pace.withLock { $0.answered(reports) })
  }

  private func handOverOverdue() {
    let records = pace.withLock { $0.overdue(at: .now()) }
    if !records.isEmpty { handOver(records) }
  }

  /// Runs on the failed producer's own thread, which cannot close itself.
  private func recover(from error: KafkaError) {
    let isFirst = failures.withLock { $0.note(error.description, at: .now()) }
    // Of the next ones `obstacle` tells, with their count.
    if isFirst { logger.error("the producer failed for good and is replaced", ["error": .error(error)]) }
    _ = WorkerThread(name: "producer-swap") { [self] in
      retire()
      while !isClosed.wait(until: .now() + failures.withLock { $0.nextDelay() }) {
        do throws(KafkaError) {
          return try replace()
        } catch {
          failures.withLock { $0.amend(error.description, at: .now()) }
        }
      }
    }
  }

  // MARK: - What is in the way

  private func look() -> Duration {
    let current = producer.withLock { $0 }
    let isConnected = current?.isConnected ?? false
    let (count, failure) = failures.withLock { failures in
      failures.look(isConnected: isConnected, at: .now())
      return (failures.count, failures.reason)
    }
    let delivery = deliveries.withLock { $0.obstacle(at: .now()) }
    var next = watch.withLock { $0 }
    next.look(
      isConnected: isConnected, problem: current?.connectionProblem?.description, failure: failure,
      delivery: isConnected ? delivery : nil, failures: count, at: .now()
    ) { topic in
      guard isConnected, let current else { return nil }
      return try? current.health(of: topic, until: .now() + .seconds(2))
    }
    watch.withLock { $0 = next }
    return min(.seconds(1), topicInterval)
  }
}
