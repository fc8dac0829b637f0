internal import Errors
internal import Kafka
internal import Logger
internal import Outbox
internal import Postgres
internal import Runtime
internal import SagaDomain
internal import SagaSettings
internal import SagaStore
internal import Service
internal import Settings
internal import Synchronization
internal import Values

/// A member of the consumer group: inventory messages in, payments out.
///
/// One thread serves the group. `CONSUMER_PARALLELISM` others work, each on the messages of some of the partitions, so
/// that what has one key is done in its order.
final class InventoryConsumer: Sendable {
  private static let servePeriod = Duration.milliseconds(250)

  private let context: ProgramContext
  private let logger: Logger
  private let member: GroupMember
  private let tools: InventoryLane.Tools
  private let health: [LaneHealth]
  private let thread = Mutex<WorkerThread?>(nil)

  init(_ context: ProgramContext, shards: ShardMap, onCommit: @escaping @Sendable () -> Void) throws {
    self.context = context
    logger = context.logger.labelled("consumer")
    let settings = context.settings
    member = try GroupMember(
      context.kafka(role: "inventory"), group: settings.consumer.group, lanes: settings.consumer.parallelism,
      lag: LagBook(context.metrics), logger: logger)
    tools = InventoryLane.Tools(
      context: context, logger: logger, member: member, deadLetters: try DeadLetterWriter(context),
      transactions: PaymentTransactions(
        outbox: OutboxWriter(shards: shards), topic: settings.producer.topic, ttl: settings.payment.timeToLive),
      database: try context.indexedDatabase(role: "inventory"), metrics: ConsumerMetrics(context.metrics),
      onCommit: onCommit)
    health = member.lanes.map { _ in LaneHealth() }
  }

  var isConnected: Bool { member.isConnected }
  var hasDatabase: Bool { health.allSatisfy(\.hasDatabase) }
  var hasRedis: Bool { health.allSatisfy(\.hasRedis) }

  /// Joins the group and begins.
  func start() throws {
    let lanes = try zip(member.lanes, health).map { queue, health in
      Handover(
        InventoryLane(
          tools, queue, health, filter: context.settings.redis.isEnabled ? try DuplicateFilter(context) : nil))
    }
    let workers = lanes.enumerated().map { number, lane in
      WorkerThread(name: "inventory-\(number)") { lane.value.run() }
    }
    try member.join(topic: context.settings.consumer.topic)
    thread.withLock { $0 = WorkerThread(name: "inventory-group") { [self] in run(workers) } }
  }

  /// Waits for the threads, which end after the batches under way once the context's stop flag is set.
  func join() {
    member.wake()
    for lane in member.lanes { lane.wake() }
    thread.withLock { $0 }?.join()
  }

  /// Carries a lane to the thread that owns it from then on.
  private struct Handover: @unchecked Sendable {
    // @unchecked: made by `start`, handed to the one thread, touched by nobody else.
    let value: InventoryLane
    init(_ value: InventoryLane) { self.value = value }
  }

  /// The group's thread.
  private func run(_ workers: [WorkerThread]) {
    while !context.stop.isStopped {
      do throws(KafkaError) {
        try member.serve(until: .now() + Self.servePeriod)
      } catch {
        tools.endForGood(error)
      }
    }
    for worker in workers { worker.join() }
    member.leave(until: .now() + .seconds(5))
    tools.deadLetters.close()
  }
}

/// What a lane says of what it depends on; read on any thread.
final class LaneHealth: Sendable {
  private let database = Atomic(false)
  private let redis = Atomic(true)

  var hasDatabase: Bool {
    get { database.load(ordering: .relaxed) }
    set { database.store(newValue, ordering: .relaxed) }
  }
  var hasRedis: Bool {
    get { redis.load(ordering: .relaxed) }
    set { redis.store(newValue, ordering: .relaxed) }
  }
}
