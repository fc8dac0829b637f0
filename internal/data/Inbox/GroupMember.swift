internal import Errors
internal import Kafka
internal import Logger
internal import Synchronization
internal import Values

/// This process's membership in the consumer group: which lane reads which partition, and which offsets are stored.
///
/// `join`, `serve` and `leave` belong to one thread, on which rebalances happen; everything else is for the lanes'
/// threads.
final class GroupMember: Sendable {
  /// How long a rebalance waits for batches in flight. A batch that takes longer loses its partitions: its offsets are
  /// not stored, and its messages come again at their new owner.
  private static let patience = Duration.seconds(10)

  /// The queue of each lane.
  let lanes: [ConsumerLane]
  /// What keeps rebalances and lanes apart.
  let gate = LaneGate()
  private let lag: LagBook
  private let consumer: KafkaConsumer
  private let logger: Logger
  private let assignment: Mutex<LaneAssignment>

  /// Makes the Kafka client; a broker need not be there yet.
  /// - Throws: `KafkaError` `.invalidConfiguration`.
  init(_ configuration: KafkaConfiguration, group: String, lanes count: Int, lag: LagBook, logger: Logger)
    throws(KafkaError)
  {
    self.logger = logger
    self.lag = lag
    let consumer = try KafkaConsumer(
      configuration, options: KafkaConsumer.Options(group: group, lanes: count), logger: logger)
    self.consumer = consumer
    lanes = try (0..<count).map { (_) throws(KafkaError) in try consumer.makeLane() }
    assignment = Mutex(LaneAssignment(lanes: count))
  }

  /// Whether a broker is connected.
  var isConnected: Bool { consumer.isConnected }
  /// Why no broker is connected; nil while one is, and while nothing is known.
  var connectionProblem: String? { consumer.connectionProblem?.description }

  /// The consumer's newest figures.
  var statistics: ClientStatistics? { consumer.statistics }

  /// How long the first assignment may take.
  private static let joiningPatience = Duration.seconds(15)

  /// Why no messages come although a broker is connected; nil when no reason is known. Asks the brokers, so it blocks
  /// until `deadline` at most; callable on any thread.
  func obstacle(topic: String, until deadline: Instant) -> String? {
    if let problem = (try? consumer.health(of: topic, until: deadline))?.problem { return problem }
    if let denial = consumer.denial { return denial.description }
    if let time = consumer.joiningTime, time >= Self.joiningPatience {
      return "the group has given no partitions for \(time.inMilliseconds / 1_000) s"
    }
    do throws(KafkaError) {
      // Rights to the group can be revoked later, and without commits nothing else shows it.
      if let place = assignment.withLock({ $0.places }).first { _ = try consumer.committed([place], until: deadline) }
    } catch {
      if error.code == .notAuthorized { return error.description }
    }
    return nil
  }

  // MARK: - The group's thread

  /// Subscribes to the topic; partitions come during `serve`.
  func join(topic: String) throws(KafkaError) {
    // The Kafka client does not outlive the member: `leave` ends both.
    try consumer.subscribe(
      [topic], onAssign: { [unowned self] places in take(places) },
      onRevoke: { [unowned self] places, isLost in giveUp(places, isLost: isLost) })
  }

  /// Serves the group until `deadline`; meanwhile messages come through the lanes.
  /// - Throws: `.fatal`.
  func serve(until deadline: Instant) throws(KafkaError) {
    let strays = try consumer.poll(max: 1, until: deadline)
    precondition(strays.isEmpty, "every partition that is assigned leads into a lane")
    lag.observe(assignment.withLock { $0.places }, consumer)
  }

  /// Ends a `serve` and the lanes' polls that wait.
  func wake() {
    consumer.wake()
    for lane in lanes { lane.wake() }
  }

  /// Commits the stored offsets and leaves the group. The lanes' threads must have ended.
  func leave(until deadline: Instant) { consumer.close(until: deadline) }

  private func take(_ places: [TopicPartition]) {
    change { assignment in
      for (place, lane) in assignment.take(places) { consumer.lead(place, into: lanes[lane]) }
    }
    logger.info("took over partitions", ["partitions": .string("\(places.map(\.partition).sorted())")])
  }

  private func giveUp(_ places: [TopicPartition], isLost: Bool) {
    change { assignment in assignment.giveUp(places) }
    lag.forget(places)
    logger.info(
      "gave up partitions",
      ["partitions": .string("\(places.map(\.partition).sorted())"), "lost": .bool(isLost)])
  }

  /// Changes the assignment once the batches in flight are done or between two attempts.
  private func change(_ body: (inout LaneAssignment) -> Void) {
    let isQuiet = gate.closed(
      until: .now() + Self.patience, hurry: { for lane in lanes { lane.wake() } },
      change: { assignment.withLock { body(&$0) } })
    if !isQuiet { logger.warning("partitions change hands although a batch is in flight", [:]) }
  }

  // MARK: - The lanes' threads

  /// Claims the partitions of these messages; call it before leaving the gate inside which they were polled.
  /// - Parameter messages: loses those of partitions that are no longer ours.
  func claim(_ messages: inout [ConsumedMessage]) -> LaneClaim {
    let places = messages.places
    let claim = assignment.withLock { $0.claim(places) }
    if claim.numbers.count < places.count { messages.removeAll { claim.numbers[$0.place] == nil } }
    return claim
  }

  /// The partitions of a claim that are still ours.
  func owned(_ claim: LaneClaim) -> Set<TopicPartition> { assignment.withLock { $0.owned(claim) } }

  /// Records that everything below these offsets is done. Leaves out partitions that went to another member, which is
  /// no error: their messages go to that member too.
  func store(_ offsets: [TopicPartitionOffset], _ claim: LaneClaim) {
    // The lock is held so that no partition goes and comes back between the check and the storing.
    assignment.withLock { assignment in
      let owned = assignment.owned(claim)
      let ours = offsets.filter { owned.contains($0.place) }
      do throws(KafkaError) {
        try consumer.storeOffsets(ours)
        lag.noteDone(ours)
      } catch {
        // The work is done all the same: the partition's next batch stores a higher offset.
        logger.warning("offsets were not stored yet", ["error": .error(error)])
      }
    }
  }
}
