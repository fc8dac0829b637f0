public import Settings

/// The programs of the saga's payment step.
extension Program {
  /// The gRPC API.
  public static let server = Program(
    name: "payments-server", short: "server",
    summary: "gRPC API of the payments; also runs the cron jobs unless CRON_ENABLED=false")
  /// The reader of the inventory topic.
  public static let consumer = Program(
    name: "payments-consumer", short: "consumer",
    summary: "opens a payment for each reserved order of the inventory topic")
  /// The cron jobs alone.
  public static let cron = Program(
    name: "payments-cron", short: "cron",
    summary: "publishes waiting events, expires payments and keeps the event tables in shape")
  /// The command line.
  public static let cli = Program(
    name: "paysaga", short: "paysaga", summary: "command line to the payments, their events and their tables")
}
