import Values

@testable import Outbox

/// A relay's decisions with a clock and a world that the test moves.
struct RelayHarness {
  var now = Instant(nanoseconds: 1_000_000_000)
  var core: RelayCore
  private(set) var leaseRequests: [LeaseRequest] = []
  private(set) var reads: [ReadRequest] = []
  private var isReadOpen = false
  private(set) var published: [PublishRequest] = []
  private(set) var completions: [CompletionRequest] = []
  private(set) var purges = 0
  private(set) var setAside: [Int64] = []
  private(set) var releases: [[ShardEpoch]] = []
  private(set) var losses: [(loss: LeaseLoss, shards: Int)] = []
  private(set) var recalls = 0
  private(set) var isFinished = false

  /// Where this world's server is at present.
  var history = ServerHistory(name: "one")

  static let rules = RelayRules(
    reserve: .seconds(30), deliveryTimeout: .seconds(10), window: 100, readLimit: 50, completionLimit: 50,
    completionInterval: .zero, readInterval: .zero, pollInterval: .seconds(1), sweepInterval: .seconds(30),
    retryDelay: .milliseconds(250))

  init(rules: RelayRules = RelayHarness.rules) { core = RelayCore(rules: rules, now: now) }

  mutating func send(_ event: RelayCore.Event) {
    for action in core.handle(event, at: now) {
      switch action {
      case .maintainLeases(let request): leaseRequests.append(request)
      case .read(let request):
        reads.append(request)
        isReadOpen = true
      case .publish(let requests): published += requests
      case .complete(let request): completions.append(request)
      case .purge: purges += 1
      case .reportLoss(let loss, let shards): losses.append((loss, shards))
      case .reportRecall(let shards): recalls += shards
      case .reportSetAside(let item, _): setAside.append(item.id)
      case .releaseAll(let leases): releases.append(leases)
      case .finished: isFinished = true
      }
    }
  }

  mutating func advance(_ duration: Duration) {
    now = now + duration
    send(.tick)
  }

  /// Owns `shards` under epoch 1.
  mutating func own(_ shards: [Int16], of count: Int = 4, relays: Int = 1, epoch: Int64 = 1) {
    if leaseRequests.isEmpty { send(.tick) }
    var report = LeaseReport(history: history, shardCount: count)
    report.liveRelays = relays
    report.claimed = shards.map { ShardEpoch(shard: $0, epoch: epoch) }
    send(.leases(report, sentAt: now))
  }

  /// Answers the read that is under way, if there is one.
  mutating func answerRead(
    _ events: [WaitingEvent], lastID: Int64 = 0, xmin: Int64 = 100, xmax: Int64 = 100, held: Set<Int16>? = nil,
    predecessors: [Int64: Int64] = [:]
  ) {
    guard isReadOpen, let asked = reads.last?.shards.map(\.shard) else { return }
    isReadOpen = false
    var report = ReadReport(
      history: history, events: events, held: held ?? Set(asked), lastID: lastID, snapshot: (xmin: xmin, xmax: xmax))
    report.predecessors = predecessors
    send(.read(report))
  }

  mutating func answer(
    _ request: PublishRequest, _ result: PublishOutcome.Result = .acknowledged, at place: MessagePlace? = nil,
    mayBePersisted: Bool = false
  ) {
    send(
      .published([
        PublishOutcome(token: request.token, result: result, place: place, mayBePersisted: mayBePersisted)
      ]))
  }

  /// Answers the last completion as wholly done.
  mutating func finishCompletion() {
    guard let request = completions.last else { return }
    var moved: [Int16: Int] = [:]
    for lease in request.leases { moved[lease.shard] = request.items.count { $0.shard == lease.shard } }
    send(.completed(request, CompletionReport(moved: moved)))
  }

  /// Answers every completion as a database that refuses statements with one of `unmovable`, until no other is sent.
  mutating func finishCompletions(refusing unmovable: Set<Int64>) {
    var answered = completions.count - 1
    while answered < completions.count {
      let request = completions[answered]
      answered += 1
      if request.items.contains(where: { unmovable.contains($0.id) }) {
        send(.completionRefused(request, reason: "integer out of range"))
      } else {
        var report = CompletionReport(moved: [:])
        for lease in request.leases { report.moved[lease.shard] = request.items.count { $0.shard == lease.shard } }
        send(.completed(request, report))
      }
    }
  }

  static func event(
    _ id: Int64, key: String, shard: Int16 = 0, sequence: Int64 = 1, topic: String = "payment"
  ) -> WaitingEvent {
    WaitingEvent(
      id: id, shard: shard, eventID: UniqueID(high: 0, low: UInt64(id)), key: key, sequence: sequence, topic: topic,
      payload: [], headers: [], createdAt: Timestamp(microseconds: 0))
  }
}
