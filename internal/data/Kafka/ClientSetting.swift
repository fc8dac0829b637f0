/// A librdkafka property that this program sets.
struct ClientSetting: Sendable {
  let name: String
  let value: String
  /// Whether it wins over the user's properties.
  let isFixed: Bool

  /// A value that the user's properties may override.
  static func standard(_ name: String, _ value: some CustomStringConvertible) -> ClientSetting {
    ClientSetting(name: name, value: value.description, isFixed: false)
  }

  /// A value that a guarantee rests on.
  static func fixed(_ name: String, _ value: some CustomStringConvertible) -> ClientSetting {
    ClientSetting(name: name, value: value.description, isFixed: true)
  }

  /// All properties in the order in which they are set; the last one of a name wins.
  static func merge(
    _ configuration: KafkaConfiguration, _ settings: [ClientSetting]
  ) -> [(name: String, value: String)] {
    var merged = KafkaConfiguration.defaults
    merged.append(("client.id", configuration.clientID))
    merged += settings.filter { !$0.isFixed }.map { ($0.name, $0.value) }
    merged += configuration.properties.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    merged += settings.filter(\.isFixed).map { ($0.name, $0.value) }
    if !configuration.brokers.isEmpty { merged.append(("bootstrap.servers", configuration.brokers)) }
    return merged
  }
}

/// Milliseconds for librdkafka, rounded up so that a wait is never cut to a busy loop; `limit` at most.
func timeoutMilliseconds(_ nanoseconds: Int64, limit: Int32 = .max) -> Int32 {
  if nanoseconds <= 0 { return 0 }
  let milliseconds = nanoseconds / 1_000_000 + (nanoseconds % 1_000_000 > 0 ? 1 : 0)
  return Int32(clamping: min(milliseconds, Int64(limit)))
}
