internal import CRdkafka
internal import Glibc
internal import Logger
internal import Synchronization
internal import Values

/// What librdkafka's callbacks reach through the client's opaque pointer.
final class ClientContext: Sendable {
  let logger: Logger
  /// What a consumer's owner wants to hear about rebalances.
  let hooks = Mutex(RebalanceHooks())
  /// Partitions given up since the polling thread last looked, and how often that happened.
  let revoked = Mutex<Set<TopicPartition>>([])
  let revocations = Atomic(0)
  /// How far a member of a group has come: see `ClientHandle.mustStay`.
  let membership = Mutex(Membership.none)
  private let connected = Atomic(false)
  private let figures = Mutex<(value: ClientStatistics, at: Instant)?>(nil)
  /// How long statistics are believed: far longer than the second after which new ones come.
  private static let figuresLifetime = Duration.seconds(35)
  private let refusal = Mutex<(error: KafkaError, at: Instant)?>(nil)
  /// librdkafka tells of a refusal once, and of its end not at all.
  private static let refusalMemory = Duration.seconds(300)

  init(logger: Logger) { self.logger = logger }

  /// For clients that are made only to be checked.
  static func silent() -> ClientContext { ClientContext(logger: Logger(label: "kafka", sink: { _ in })) }

  /// The context of a client; borrowed, as the client's handle holds it for as long as the client lives.
  static func of(_ client: OpaquePointer) -> ClientContext? {
    guard let opaque = rd_kafka_opaque(client) else { return nil }
    return Unmanaged<ClientContext>.fromOpaque(opaque).takeUnretainedValue()
  }

  /// Whether a broker was connected when last heard of.
  var isConnected: Bool {
    get { connected.load(ordering: .relaxed) }
    set {
      guard connected.exchange(newValue, ordering: .relaxed) != newValue else { return }
      if newValue { logger.info("connected to Kafka") } else { logger.warning("no Kafka broker is reachable") }
    }
  }

  /// Reads librdkafka's statistics (STATISTICS.md): whether any broker's state is UP, and the figures of the metrics.
  func noteStatistics(_ json: UnsafePointer<CChar>) {
    isConnected = strstr(json, "\"state\":\"UP\"") != nil
    let bytes = Array(UnsafeRawBufferPointer(start: json, count: strlen(json)))
    figures.withLock { $0 = ClientStatistics(bytes).map { ($0, .now()) } }
  }

  /// The newest figures; nil when there are none that are still true.
  var statistics: ClientStatistics? {
    figures.withLock { figures in
      figures.flatMap { Instant.now() - $0.at <= Self.figuresLifetime ? $0.value : nil }
    }
  }

  /// The last refusal for want of rights that nothing has disproved since.
  var denial: KafkaError? {
    refusal.withLock { refusal in
      guard let known = refusal, Instant.now() - known.at < Self.refusalMemory else { return nil }
      return known.error
    }
  }

  /// Messages or partitions came: whatever was refused is allowed now.
  func noteProgress() { refusal.withLock { $0 = nil } }

  /// Notes an error that is not about one record.
  func noteError(_ error: rd_kafka_resp_err_t, _ reason: String) {
    if error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN { isConnected = false }
    if KafkaError.Code(error) == .notAuthorized {
      refusal.withLock { $0 = (KafkaError(error, "consume", reason: reason), .now()) }
    }
    logger.warning(
      "Kafka client", ["error": .string(String(cString: rd_kafka_err2name(error))), "reason": .string(reason)])
  }
}

/// How far a consumer's membership of a group has come.
enum Membership: Sendable {
  case none
  /// Subscribed, and not told of any assignment yet.
  case joining(since: Instant)
  case assigned
  /// Closing did not come to its end.
  case stuck
}

/// Puts librdkafka's log lines into ours; called from its threads.
func kafkaLog(
  _ client: OpaquePointer?, _ level: Int32, _ facility: UnsafePointer<CChar>?, _ text: UnsafePointer<CChar>?
) {
  guard let client, let logger = ClientContext.of(client)?.logger, let text else { return }
  let line = String(cString: text)
  let facility = facility.map { String(cString: $0) } ?? ""
  // CONFWARN says of each user property which kind of client ignores it; FATAL is what a client's owner is told.
  if facility == "CONFWARN" || facility == "FATAL" || level >= 7 {
    logger.debug(line, ["facility": .string(facility)])
  } else if level >= 5 {
    logger.info(line, ["facility": .string(facility)])
  } else if level >= 3 {
    // Syslog's "error" is here what a broker that went away looks like.
    logger.warning(line, ["facility": .string(facility)])
  } else {
    logger.error(line, ["facility": .string(facility)])
  }
}
