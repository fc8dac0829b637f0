internal import CRdkafka

/// An `rd_kafka_conf_t` being filled in; freed unless a client takes it.
struct ConfigurationHandle: ~Copyable {
  private let conf: OpaquePointer

  init() { conf = rd_kafka_conf_new() }

  deinit { rd_kafka_conf_destroy(conf) }

  /// Sets one property.
  /// - Throws: `.invalidConfiguration` with the name and the reason; the value only when it is no secret.
  func set(_ name: String, _ value: String) throws(KafkaError) {
    let (result, reason) = withErrorBuffer { rd_kafka_conf_set(conf, name, value, $0, $1) }
    guard result != RD_KAFKA_CONF_OK else { return }
    let detail =
      KafkaConfiguration.isSecret(name) ? "the value (not shown) is refused" : "\"\(value)\" is refused: \(reason)"
    throw KafkaError(.invalidConfiguration, "Kafka property \(name): \(detail)")
  }

  /// Callbacks and events go in here; the pointer must not be kept.
  func withPointer(_ body: (OpaquePointer) -> Void) { body(conf) }

  /// Makes the client, which takes the configuration over.
  consuming func makeClient(_ type: rd_kafka_type_t) throws(KafkaError) -> OpaquePointer {
    let copy = rd_kafka_conf_dup(conf)
    let (client, reason) = withErrorBuffer { rd_kafka_new(type, copy, $0, $1) }
    if let client { return client }
    // On failure the configuration stays ours.
    rd_kafka_conf_destroy(copy)
    throw KafkaError(.invalidConfiguration, "librdkafka refuses the Kafka properties: \(reason)")
  }
}

/// Calls a function of librdkafka that writes its reason into a buffer.
func withErrorBuffer<Result>(
  _ body: (UnsafeMutablePointer<CChar>, Int) -> Result
) -> (Result, reason: String) {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer in
    // The buffer has a base address, as its capacity is above zero.
    let start = buffer.baseAddress!
    start.initialize(repeating: 0, count: buffer.count)
    let result = body(start, buffer.count)
    return (result, String(cString: start))
  }
}
