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

  /// Why the last attempt to connect failed.
  private let failedConnection = Mutex<KafkaError?>(nil)
  /// What is wrong with the certificate that a broker showed last, until a broker is connected.
  private let certificate = Mutex<String?>(nil)

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
      if newValue { noteConnection() }
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

  /// Why no broker is connected, in librdkafka's words; nil while one is, and while nothing is known.
  var connectionProblem: KafkaError? { failedConnection.withLock { $0 } }

  /// A broker has answered.
  func noteConnection() {
    failedConnection.withLock { $0 = nil }
    certificate.withLock { $0 = nil }
  }

  /// A broker's certificate is not accepted.
  func noteCertificate(_ problem: String) { certificate.withLock { $0 = problem } }

  /// The last refusal for want of rights or trust that nothing has disproved since.
  var denial: KafkaError? {
    if let problem = connectionProblem, problem.code == .notTrusted { return problem }
    return refusal.withLock { refusal in
      guard let known = refusal, Instant.now() - known.at < Self.refusalMemory else { return nil }
      return known.error
    }
  }

  /// Messages or partitions came: whatever was refused is allowed now.
  func noteProgress() { refusal.withLock { $0 = nil } }

  /// Notes an error that is not about one record.
  func noteError(_ error: rd_kafka_resp_err_t, _ reason: String) {
    var reason = reason
    switch (error, KafkaError.Code(error)) {
    case (RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, _): isConnected = false
    case (_, .notAuthorized): refusal.withLock { $0 = (KafkaError(error, "consume", reason: reason), .now()) }
    case (RD_KAFKA_RESP_ERR__TRANSPORT, _), (RD_KAFKA_RESP_ERR__RESOLVE, _), (_, .notTrusted):
      // OpenSSL's words do not tell a wrong name from an unknown authority; one handshake may be told of several times.
      let problem = reason.contains("certificate verify failed") ? certificate.withLock { $0 } : nil
      if let problem { reason = problem }
      // With one broker connected there is no problem; others may be down.
      let kind = problem == nil ? error : RD_KAFKA_RESP_ERR__SSL
      if !isConnected { failedConnection.withLock { $0 = KafkaError(kind, "connect", reason: reason) } }
    default: break
    }
    logger.warning(
      "Kafka client", ["error": .string(String(cString: rd_kafka_err2name(error))), "reason": .string(reason)])
  }
}

/// For librdkafka, which calls it while it serves the client's queue: an error that is not about one record.
func kafkaProblem(
  _ client: OpaquePointer?, _ error: Int32, _ reason: UnsafePointer<CChar>?, _ opaque: UnsafeMutableRawPointer?
) {
  guard let client, let context = ClientContext.of(client) else { return }
  context.noteError(rd_kafka_resp_err_t(rawValue: error), reason.map { String(cString: $0) } ?? "")
}

/// For librdkafka, on its threads: judges each certificate of a broker's chain as OpenSSL has, and keeps the reason.
func kafkaCertificate(
  _ client: OpaquePointer?, _ broker: UnsafePointer<CChar>?, _ id: Int32, _ error: UnsafeMutablePointer<Int32>?,
  _ depth: Int32, _ certificate: UnsafePointer<CChar>?, _ size: Int, _ reason: UnsafeMutablePointer<CChar>?,
  _ reasonSize: Int, _ opaque: UnsafeMutableRawPointer?
) -> Int32 {
  guard let number = error?.pointee, number != 0 else { return 1 }
  let broker = broker.map { String(cString: $0) } ?? "a broker"
  let problem = "\(broker): \(CertificateProblem.words(number))"
  // The client's opaque pointer is its context, which outlives librdkafka's threads.
  if let opaque { Unmanaged<ClientContext>.fromOpaque(opaque).takeUnretainedValue().noteCertificate(problem) }
  if let reason, reasonSize > 0 {
    strncpy(reason, problem, reasonSize - 1)
    reason[reasonSize - 1] = 0
  }
  return 0
}

/// Why OpenSSL does not accept a certificate.
enum CertificateProblem {
  /// - Parameter number: `X509_V_ERR_…` of OpenSSL's x509_vfy.h.
  static func words(_ number: Int32) -> String {
    switch number {
    case 9: "its certificate is not valid yet"
    case 10: "its certificate has ended"
    case 18, 19, 20, 21: "its certificate comes from an authority that is not trusted (\(number))"
    case 23: "its certificate is revoked"
    case 62: "its certificate is for another host name"
    case 64: "its certificate is for another IP address"
    default: "its certificate is not accepted (OpenSSL's verification error \(number))"
    }
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
