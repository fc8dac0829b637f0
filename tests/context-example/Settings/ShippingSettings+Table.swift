import ClientSettings
import Settings

extension Program {
  /// Opens shipments for paid orders.
  static let shipping = Program(
    name: "context-example", short: "shipping", summary: "opens a shipment for each completed payment")
}

extension ShippingSettings {
  static let databasePrefix = "SHIPPING_DB_"

  private static let programs: [Program] = [.shipping]

  /// `--help`, the table in docs/adding-a-context.md and every check come from this table.
  static let table = SettingsTable<ShippingSettings>(
    programs: programs, prefixes: ["SHIPPING_", "KAFKA_", "LOG_", "ADMIN_"],
    properties: KafkaSettings.properties(setElsewhere: ["group.id": "the group is named by SHIPPING_GROUP"])
      .within(\.kafka),
    [
      DatabaseSettings.rows(prefix: databasePrefix, dsn: .byProgram([:]), programs, services: programs)
        .within(\.database),
      KafkaSettings.rows(brokers: .byProgram([:]), programs).within(\.kafka),
      rows,
      [
        ServiceOptions.shutdownRow(
          "SHIPPING_SHUTDOWN_TIMEOUT", programs, "drain time after SIGTERM for batches and deliveries"
        ).within(\.service)
      ],
      ServiceOptions.rows(adminAddress: .value("127.0.0.1:9106"), programs, services: programs).within(\.service),
    ].flatMap { $0 })

  private static let rows: [Setting<ShippingSettings>] = [
    .name(
      "SHIPPING_PAYMENT_TOPIC", \.paymentTopic, longest: 236, extra: "._-", .value("payment"), programs,
      "topic of the payment events; unreadable ones go to the topic with `.shipping.dlq` appended"),
    .name(
      "SHIPPING_GROUP", \.group, longest: 249, extra: "._-", .value("shipping"), programs,
      "consumer group on that topic"),
    .name(
      "SHIPPING_TOPIC", \.topic, longest: 249, extra: "._-", .value("shipment"), programs,
      "topic of the shipment events"),
  ]
}
