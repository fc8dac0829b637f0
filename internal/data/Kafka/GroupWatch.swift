public import Logger
public import Metrics
public import Runtime
internal import Synchronization
public import Values

/// Looks now and then how far consumer groups are behind, whether or not their programs run. On a thread of its own.
///
/// What was found is believed for a while and then forgotten: a value that stands still while the brokers are away
/// would look like calm.
public final class GroupWatch: ServicePart {
  /// A group on a topic.
  public struct Group: Sendable, Hashable {
    /// The group.
    public let group: String
    /// The topic that it reads.
    public let topic: String

    /// The group on that topic.
    public init(_ group: String, on topic: String) {
      self.group = group
      self.topic = topic
    }
  }

  /// What was found of a group.
  struct Look: Sendable {
    let lag: GroupLag
    /// How long the oldest message had waited then; nil where that is not known.
    let age: Duration?
    /// When it was found, by the monotonic clock.
    let at: Instant
  }

  private struct State {
    var looks: [Group: Look] = [:]
    /// When it was last known how far each group is behind, by the wall clock, or since when this process is to know:
    /// kept when what was found is forgotten.
    var moments: [Group: Timestamp] = [:]
  }

  /// How often the groups are looked at.
  private static let interval = Duration.seconds(30)
  /// How often it is asked whether this process is the one to look.
  private static let askInterval = Duration.seconds(1)
  /// How long a look is believed: three missed ones.
  static let lifetime = Duration.seconds(95)
  /// How long a broker may take for an answer; a stop waits for those about one group.
  private static let patience = Duration.seconds(2)

  private let groups: [Group]
  private let kafka: KafkaConfiguration
  private let isTeller: @Sendable () -> Bool
  private let logger: Logger
  private let state = Mutex(State())
  private let isStopped = Atomic(false)
  /// The kind of the failure that was told last of each group.
  private let told = Mutex<[Group: KafkaError.Code]>([:])
  private let job = Mutex<PeriodicJob?>(nil)

  /// - Parameters:
  ///   - groups: what to look at.
  ///   - kafka: the brokers, and the name of this watch.
  ///   - isTeller: whether this process is the one to look; asked on the watch's thread.
  public init(
    _ groups: [Group], kafka: KafkaConfiguration, logger: Logger, isTeller: @escaping @Sendable () -> Bool
  ) {
    self.groups = groups
    self.kafka = kafka
    self.isTeller = isTeller
    self.logger = logger.labelled("groups")
  }

  /// Registers the gauges: of all groups when they were last known, of some how far they are behind.
  public func register(_ metrics: MetricsRegistry, _ shown: [Group]) {
    let told = "; told by one process, and left out when older than 95 s."
    func labels(_ group: Group) -> MetricsRegistry.Labels { ["topic": group.topic, "group": group.group] }
    for group in shown {
      metrics.gauge(
        "consumer_group_lag_messages", help: "Messages that a group has not done, as the brokers know it\(told)",
        labels: labels(group)
      ) { [weak self] in self?.current(group, at: .now()).map { Double($0.lag.messages) } }
      metrics.gauge(
        "consumer_group_lag_seconds",
        help: "Age of the oldest message that a group has not done, 0 without one\(told)", labels: labels(group)
      ) { [weak self] in self?.current(group, at: .now())?.age?.inSeconds }
    }
    for group in groups {
      metrics.gauge(
        "consumer_group_lag_timestamp_seconds",
        help: "When this process last knew how far a group is behind, or began to look, Unix time; the newest counts.",
        labels: labels(group)
      ) { [weak self] in
        self?.state.withLock { $0.moments[group].map { Double($0.microseconds) / 1e6 } }
      }
    }
  }

  /// What was found of a group, while it is believed. Callable on any thread.
  public func lag(of group: Group) -> GroupLag? { current(group, at: .now())?.lag }

  /// Begins to look.
  public func start() {
    let job = PeriodicJob(name: "group-watch") { [self] in run() }
    self.job.withLock { $0 = job }
    job.start()
  }

  /// Waits for the question in flight.
  public func stop(until deadline: Instant) {
    isStopped.store(true, ordering: .relaxed)
    job.withLock { $0.take() }?.stop(until: deadline)
  }

  /// Looks once, on the calling thread.
  /// - Returns: when to look again.
  func run() -> Duration {
    guard isTeller() else {
      // Whoever is the one now tells; both at a time would tell two truths.
      state.withLock { $0.looks = [:] }
      return Self.askInterval
    }
    state.withLock { state in
      for group in groups { state.moments[group] = state.moments[group] ?? .now() }
    }
    for group in groups where !isStopped.load(ordering: .relaxed) {
      do throws(KafkaError) {
        let lag = try GroupLag.read(
          group: group.group, topic: group.topic, kafka, patience: Self.patience, needsAges: false,
          // The failure is told here.
          logger: logger.atLeast(.error))
        show(group, lag, at: .now(), moment: .now())
        tell(nil, of: group)
      } catch {
        tell(error, of: group)
        // Others may be allowed; nobody else is answered sooner.
        if error.code != .notAuthorized { break }
      }
    }
    return Self.interval
  }

  /// - Parameter lag: nil while there is no such topic.
  func show(_ group: Group, _ lag: GroupLag?, at now: Instant, moment: Timestamp) {
    state.withLock { state in
      state.looks[group] = lag.map { Look(lag: $0, age: $0.age(at: moment), at: now) }
      state.moments[group] = moment
    }
  }

  func current(_ group: Group, at now: Instant) -> Look? {
    state.withLock { state in state.looks[group].flatMap { now - $0.at <= Self.lifetime ? $0 : nil } }
  }

  /// Once for each kind of failure: that a broker is away, others say again and again.
  private func tell(_ error: KafkaError?, of group: Group) {
    let before = told.withLock { told in
      defer { told[group] = error?.code }
      return told[group]
    }
    guard before != error?.code else { return }
    let (name, topic) = (LogValue.string(group.group), LogValue.string(group.topic))
    if let error {
      logger.warning(
        "how far a consumer group is behind is not known", ["group": name, "topic": topic, "error": .error(error)])
    } else {
      logger.info("how far a consumer group is behind is known again", ["group": name, "topic": topic])
    }
  }
}
