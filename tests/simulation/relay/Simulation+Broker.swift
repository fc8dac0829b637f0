import Outbox
import Randomness
import SimulationSupport
import Values

/// The broker's partitions, and when they can be reached again.
struct SimulatedBroker {
  var backAt: Int64 = 0
  var partitionBackAt: [Int64]

  init(partitions: Int) { partitionBackAt = Array(repeating: 0, count: partitions) }

  func partition(of key: Int) -> Int { key / 2 % partitionBackAt.count }

  func isAway(_ partition: Int, now: Int64) -> Bool { backAt > now || partitionBackAt[partition] > now }
}

/// A producer and a broker that do whatever the contract of `EventPublisher` allows.
extension Simulation {
  /// - Parameter isLate: the process was paused between deciding and acting.
  func publish(_ requests: [PublishRequest], _ machine: Machine, isLate: Bool) {
    let delivery = conditions.rules.deliveryTimeout
    let local = machine.clock.local(now)
    var partitions: Set<Int> = []
    var refused: [PublishOutcome] = []
    for request in requests {
      let index = Int(request.event.eventID.low)
      let event = database.events[index]
      let longer = sabotage == .longDelivery ? conditions.rules.reserve * 2 : .zero
      let message = Message(
        machine: machine, token: request.token, event: index,
        epoch: machine.core.shards[event.shard]?.epoch ?? 0, history: history(of: machine),
        partition: broker.partition(of: event.key),
        deadline: machine.clock.global(local + delivery + longer))
      message.wasPaused = isLate
      machine.tokens[request.token] = (index, event.shard)
      oracle.handedOver(message, self)
      if machine.producerBackAt > now {
        refused.append(
          PublishOutcome(
            token: request.token, result: .transient("the producer is closed"), mayBePersisted: false))
      } else if event.isTooLarge {
        refused.append(
          PublishOutcome(
            token: request.token, result: .permanent("too large", isCertain: true), mayBePersisted: false))
      } else {
        machine.outstanding.append(message)
        partitions.insert(message.partition)
        plan(after: message.deadline - now + milliseconds(0...20)) { self.expire(message) }
      }
    }
    say("relay \(machine.number) publishes \(requests.map { name(Int($0.event.eventID.low)) }.joined(separator: ", "))")
    mark(6, requests.count)
    if !refused.isEmpty { send(.published(refused), to: machine, after: 0) }
    let linger: Int64 = random.draw(100_000...5_000_000)
    for partition in partitions.sorted() { plan(after: linger) { self.sendBatch(machine, partition) } }
  }

  /// Sends the messages queued for a partition as one batch, once the broker can be reached.
  private func sendBatch(_ machine: Machine, _ partition: Int) {
    guard machine.isAlive else { return }
    if machine.isPaused { return machine.onResume.append { self.sendBatch(machine, partition) } }
    let batch = machine.outstanding.filter { $0.partition == partition && !$0.isSent && !$0.isAnswered }
    guard !batch.isEmpty else { return }
    if broker.isAway(partition, now: now) {
      return plan(after: milliseconds(50...200)) { self.sendBatch(machine, partition) }
    }
    // A producer that was paused may send its messages before it checks their timeouts.
    let sent = batch.filter { $0.deadline > now || $0.wasPaused }
    for message in sent { message.isSent = true }
    guard !sent.isEmpty else { return }
    if sent.contains(where: { database.events[$0.event].isPoison }) {
      return answer(sent, .permanent("refused", isCertain: false), after: milliseconds(1...10))
    }
    if chance(conditions.batchFailures) { return failBatch(sent) }
    let isSlow = chance(conditions.slowStatements / 4)
    let delay = isSlow ? random.draw(0...reserve / 3) : random.draw(500_000...5_000_000)
    for message in sent { land(message, after: within(message, delay)) }
    answer(sent, .acknowledged, after: delay + random.draw(500_000...5_000_000))
  }

  /// The delay, cut so that it ends before the producer may give the message up.
  private func within(_ message: Message, _ delay: Int64) -> Int64 {
    message.wasPaused ? delay : min(delay, max(0, message.deadline - now))
  }

  private func failBatch(_ sent: [Message]) {
    faults += 1
    let delivery = conditions.rules.deliveryTimeout.inNanoseconds
    let isSilent = random.roll(conditions.silentBatches)
    let lands = random.roll(0.5)
    if lands {
      for message in sent { land(message, after: random.draw(0...max(0, message.deadline - now))) }
    }
    if isSilent {
      // The producer forgets them: it does not even report their timeout.
      for message in sent { message.isForgotten = true }
    } else if random.roll(0.5) {
      answer(sent, .transient("leader not available"), after: random.draw(0...delivery))
    }
    // Otherwise the answer is lost, and the producer gives them up at their deadline.
  }

  private func land(_ message: Message, after delay: Int64) {
    let isPaused = message.wasPaused
    plan(after: delay) {
      // The request is lost with its broker.
      guard !self.broker.isAway(message.partition, now: self.now) else { return }
      if isPaused { message.wasPaused = true }
      self.say("the broker takes \(self.name(message.event)) from relay \(message.machine.number)")
      self.mark(7, message.event)
      message.hasLanded = true
      self.oracle.append(message, self)
    }
  }

  private func answer(_ messages: [Message], _ result: PublishOutcome.Result, after delay: Int64) {
    plan(after: delay) {
      self.whenRunning(messages[0].machine) {
        // Only messages that have arrived are acknowledged; the others wait for their deadline.
        let told = messages.filter { message in
          let isTrue = result != .acknowledged || message.hasLanded || self.sabotage == .blindAck
          return isTrue && !message.isAnswered
        }
        self.tell(told, result)
      }
    }
  }

  private func expire(_ message: Message) {
    whenRunning(message.machine) {
      if !message.isAnswered, !message.isForgotten { self.tell([message], .transient("timed out")) }
    }
  }

  private func tell(_ messages: [Message], _ result: PublishOutcome.Result) {
    guard let machine = messages.first?.machine, machine.isAlive else { return }
    for message in messages { message.isAnswered = true }
    machine.outstanding.removeAll { $0.isAnswered }
    if result != .acknowledged { say("the producer gives up \(messages.map { name($0.event) }): \(result)") }
    let outcomes = messages.map { message in
      PublishOutcome(
        token: message.token, result: result, mayBePersisted: message.isSent && sabotage != .falseCertainty)
    }
    send(.published(outcomes), to: machine, after: 20_000)
  }

  /// Gives up the messages in flight; those that were sent may still arrive.
  func purge(_ machine: Machine) {
    say("relay \(machine.number) purges its producer")
    tell(machine.outstanding.filter { !$0.isAnswered }, .transient("purged"))
  }

  /// The producer fails permanently; another replaces it after a while.
  func failProducer(_ machine: Machine) {
    say("the producer of relay \(machine.number) fails for good")
    machine.producerBackAt = now + random.draw(0...reserve / 4)
    tell(machine.outstanding.filter { !$0.isAnswered }, .transient("fatal"))
  }
}
