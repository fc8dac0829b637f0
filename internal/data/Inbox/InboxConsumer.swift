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
  private let watcher = Mutex<PeriodicJob?>(nil)
  private let obstacles: Mutex<Obstacles>

  /// What is in the way of messages, and of those that cannot be used, and what the log was told of it.
  private struct Obstacles {
    var consuming: String?
    var burying: String?
    var consumingLog: ObstacleLog
    var buryingLog: ObstacleLog
  }

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
    obstacles = Mutex(
      Obstacles(
        consumingLog: ObstacleLog("inventory messages do not come", logger),
        buryingLog: ObstacleLog("the dead-letter topic does not take messages", logger)))
  }

  var isConnected: Bool { member.isConnected }
  /// Why no messages come; nil when nothing is known to be in the way.
  var consumingObstacle: String? { obstacles.withLock { $0.consuming } }
  /// Why messages that cannot be used are not taken off the topic; nil when nothing is known to be in the way.
  var buryingObstacle: String? { obstacles.withLock { $0.burying } }
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
    watcher.withLock { $0 = PeriodicJob(name: "inventory-watch") { [self] in look() } }
  }

  /// Looks for what is in the way.
  private func look() -> Duration {
    let isConnected = isConnected
    let deadline = Instant.now() + .seconds(2)
    let topic = context.settings.consumer.topic
    let consuming = isConnected ? member.obstacle(topic: topic, until: deadline) : nil
    let burying = isConnected ? tools.deadLetters.obstacle(until: .now() + .seconds(2)) : nil
    obstacles.withLock { obstacles in
      obstacles.consuming = consuming
      obstacles.burying = burying
      obstacles.consumingLog.note(consuming, at: .now())
      obstacles.buryingLog.note(burying, at: .now())
    }
    return .seconds(3)
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
    watcher.withLock { $0 }?.stop()
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
