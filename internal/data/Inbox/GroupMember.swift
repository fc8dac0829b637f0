internal import Errors
internal import Kafka
internal import Logger
internal import Synchronization
internal import Values

/// This program's membership of the consumer group: who reads which partition through which lane, and which offsets are
/// stored.
///
/// `join`, `serve` and `leave` belong to one thread, on which rebalances happen; everything else is for the lanes'
/// threads.
final class GroupMember: Sendable {
  /// How long a rebalance waits for batches under way. What takes longer loses its partitions: its offsets are not
  /// stored, its messages come again at their new owner.
  private static let patience = Duration.seconds(10)

  /// What a lane may do with its messages, by their partitions: the numbers of the assignments under which they came.
  struct Claim: Sendable {
    fileprivate let numbers: [TopicPartition: Int]
  }

  let lanes: [ConsumerLane]
  let gate = LaneGate()
  let lag: LagBook
  private let consumer: KafkaConsumer
  private let logger: Logger
  private let assignment: Mutex<LaneAssignment>

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

  var isConnected: Bool { consumer.isConnected }

  /// How long the first assignment may take.
  private static let joiningPatience = Duration.seconds(15)

  /// Why no messages come, although a broker is connected; nil when nothing is known to be in the way. Asks the
  /// brokers, and so blocks until `deadline` at most; callable on any thread.
  func obstacle(topic: String, until deadline: Instant) -> String? {
    if let problem = (try? consumer.health(of: topic, until: deadline))?.problem { return problem }
    if let denial = consumer.denial { return denial.description }
    if let time = consumer.joiningTime, time >= Self.joiningPatience {
      return "the group has given no partitions for \(time.inMilliseconds / 1_000) s"
    }
    do throws(KafkaError) {
      // Rights to the group can be taken away later: nothing else tells while no offset is committed.
      if let place = assignment.withLock({ $0.places }).first { _ = try consumer.committed([place], until: deadline) }
    } catch {
      if error.code == .notAuthorized { return error.description }
    }
    return nil
  }

  // MARK: - The group's thread

  func join(topic: String) throws(KafkaError) {
    // The consumer outlives no member: both end together, when the program does.
    try consumer.subscribe(
      [topic], onAssign: { [unowned self] places in take(places) },
      onRevoke: { [unowned self] places, isLost in giveUp(places, isLost: isLost) })
  }

  /// Serves the group until `deadline`; messages come through the lanes meanwhile.
  /// - Throws: `.fatal`.
  func serve(until deadline: Instant) throws(KafkaError) {
    let strays = try consumer.poll(max: 1, until: deadline)
    precondition(strays.isEmpty, "a partition was assigned that leads into no lane")
    lag.observe(assignment.withLock { $0.places }, consumer)
  }

  /// Ends a `serve` that waits.
  func wake() { consumer.wake() }

  /// Commits what is stored and leaves the group. All lanes' threads must have ended.
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

  /// Changes the assignment once the batches under way are done or between two attempts.
  private func change(_ body: (inout LaneAssignment) -> Void) {
    let isQuiet = gate.closed(
      until: .now() + Self.patience, hurry: { for lane in lanes { lane.wake() } },
      change: { assignment.withLock { body(&$0) } })
    if !isQuiet { logger.warning("partitions change hands although a batch is under way", [:]) }
  }

  // MARK: - The lanes' threads

  /// Notes under which assignments messages came; to be called inside the gate that they were taken in.
  /// - Parameter messages: those of partitions that are not ours any more are taken out.
  func claim(_ messages: inout [ConsumedMessage]) -> Claim {
    var numbers: [TopicPartition: Int] = [:]
    var foreign: Set<TopicPartition> = []
    assignment.withLock { assignment in
      for place in InventoryBatch.places(of: messages) {
        if let number = assignment.number(of: place) { numbers[place] = number } else { foreign.insert(place) }
      }
    }
    if !foreign.isEmpty { messages.removeAll { foreign.contains($0.place) } }
    return Claim(numbers: numbers)
  }

  /// The partitions of a claim that are ours still.
  func owned(_ claim: Claim) -> Set<TopicPartition> {
    assignment.withLock { Self.owned(claim, $0) }
  }

  /// Notes that everything below these offsets is done, save in partitions that went to another member: their messages
  /// go to it too, which may legitimately happen and is no error.
  func store(_ offsets: [TopicPartitionOffset], _ claim: Claim) {
    // The lock is held so that no partition goes and comes back between the look and the storing.
    assignment.withLock { assignment in
      let owned = Self.owned(claim, assignment)
      let ours = offsets.filter { owned.contains($0.place) }
      do throws(KafkaError) {
        try consumer.storeOffsets(ours)
        lag.noteDone(ours)
      } catch {
        // Their work is done all the same: the next batch of the partition stores an offset above them.
        logger.warning("offsets were not stored yet", ["error": .error(error)])
      }
    }
  }

  private static func owned(_ claim: Claim, _ assignment: LaneAssignment) -> Set<TopicPartition> {
    Set(claim.numbers.filter { assignment.number(of: $0.key) == $0.value }.keys)
  }
}
