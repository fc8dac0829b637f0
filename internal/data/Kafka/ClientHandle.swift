internal import CRdkafka
internal import Glibc
internal import Logger
internal import Runtime
internal import Synchronization
internal import Values

/// Owns an `rd_kafka_t`.
///
/// Sendable because librdkafka's INTRODUCTION.md, "Threads and callbacks", says: "The API is completely thread-safe and
/// the calling application may call any of the API functions from any of its own threads at any time."
/// What that leaves open, a call during or after `rd_kafka_destroy`, is ruled out by counting the calls.
final class ClientHandle: @unchecked Sendable {
  private struct State {
    var isClosed = false
    var users = 0
    /// Queues that have to be freed before the client.
    var queues: [OpaquePointer] = []
  }
  private let client: OpaquePointer
  private let state = Monitor(State())
  let context: ClientContext

  /// - Parameters:
  ///   - settings: program defaults of this kind of client; those with `isFixed` win over the user's properties.
  convenience init(
    _ type: rd_kafka_type_t, _ configuration: KafkaConfiguration, _ settings: [ClientSetting],
    context: ClientContext, prepare: (OpaquePointer) -> Void = { _ in }
  ) throws(KafkaError) {
    let conf = ConfigurationHandle()
    for name in configuration.properties.keys.sorted() {
      guard let reason = KafkaConfiguration.reserved[name] else { continue }
      throw KafkaError(.invalidConfiguration, "Kafka property \(name) cannot be set: \(reason)")
    }
    for (name, value) in ClientSetting.merge(configuration, settings) { try conf.set(name, value) }
    try self.init(type, conf, context: context, prepare: prepare)
  }

  private init(
    _ type: rd_kafka_type_t, _ conf: consuming ConfigurationHandle, context: ClientContext,
    prepare: (OpaquePointer) -> Void
  ) throws(KafkaError) {
    // Retained here, released in close() after rd_kafka_destroy, or right below when there is no client.
    let opaque = Unmanaged.passRetained(context).toOpaque()
    conf.withPointer { conf in
      rd_kafka_conf_set_opaque(conf, opaque)
      rd_kafka_conf_set_log_cb(conf, kafkaLog)
      // Refused by a librdkafka without TLS, which has no certificates to judge.
      _ = rd_kafka_conf_set_ssl_cert_verify_cb(conf, kafkaCertificate)
      prepare(conf)
    }
    do throws(KafkaError) {
      client = try conf.makeClient(type)
    } catch {
      Unmanaged<ClientContext>.fromOpaque(opaque).release()
      throw error
    }
    self.context = context
  }

  /// Runs `body` with the client, which stays alive meanwhile.
  /// - Throws: `.closed` once `close` has been called.
  func use<Result>(_ body: (OpaquePointer) throws(KafkaError) -> Result) throws(KafkaError) -> Result {
    let isOpen = state.withLock { state in
      if !state.isClosed { state.users += 1 }
      return !state.isClosed
    }
    guard isOpen else { throw KafkaError(.closed, "the Kafka client has been closed") }
    defer { state.update { $0.users -= 1 } }
    return try body(client)
  }

  /// Takes over a queue, which lives as long as the client.
  func adopt(_ queue: OpaquePointer) { state.withLock { $0.queues.append(queue) } }

  /// Waits for the calls in progress, then frees the client. Harmless when called again.
  func close(flags: Int32) {
    let isFirst = state.update { state in
      defer { state.isClosed = true }
      return !state.isClosed
    }
    guard isFirst else { return }
    let queues = state.wait { $0.users == 0 ? $0.queues : nil }
    if mustStay { return }
    for queue in queues ?? [] { rd_kafka_queue_destroy(queue) }
    rd_kafka_destroy_flags(client, flags)
    // Retained in init.
    Unmanaged.passUnretained(context).release()
  }

  /// Whether the client is better left alone than freed.
  ///
  /// librdkafka's cooperative assignor aborts the process when a member is freed that has joined and had no assignment
  /// (before 2.3, https://github.com/confluentinc/librdkafka/issues/4312), and waits for ever when an assignment comes
  /// while it closes (before 2.5, issue 4527). A consumer is closed when its program ends, which frees it too.
  private var mustStay: Bool {
    guard rd_kafka_version() < 0x0205_0000 else { return false }
    switch context.membership.withLock({ $0 }) {
    case .none, .assigned: return false
    case .joining, .stuck: break
    }
    var value = [CChar](repeating: 0, count: 256)
    var count = value.count
    let result = rd_kafka_conf_get(rd_kafka_conf(client), "partition.assignment.strategy", &value, &count)
    return result == RD_KAFKA_CONF_OK && strstr(value, "cooperative") != nil
  }

  deinit {
    // Nobody can be inside a call, as each holds a reference.
    close(flags: Int32(RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE))
  }
}
