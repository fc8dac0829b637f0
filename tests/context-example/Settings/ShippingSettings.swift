import ClientSettings
import Settings

/// The settings of the shipping context.
struct ShippingSettings: ServiceSettings {
  /// PostgreSQL, which may be that of another context.
  var database = DatabaseSettings()
  /// The brokers.
  var kafka = KafkaSettings()
  /// Log, admin endpoint and shutdown.
  var service = ServiceOptions(shutdownSetting: "SHIPPING_SHUTDOWN_TIMEOUT")
  /// `SHIPPING_PAYMENT_TOPIC`: payment events are read from it.
  var paymentTopic = ""
  /// `SHIPPING_GROUP`: the consumer group on it.
  var group = ""
  /// `SHIPPING_TOPIC`: shipment events are published to it.
  var topic = ""

  /// Where payment events go that cannot be read.
  var deadLetterTopic: String { "\(paymentTopic).shipping.dlq" }

  init(program: Program) {}

  mutating func finish() { database.finish() }

  func check() throws(SettingsError) {
    try database.check(prefix: Self.databasePrefix)
    try kafka.check()
  }
}
