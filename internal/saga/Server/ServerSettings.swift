public import ClientSettings
internal import Logger
public import SagaCron
public import SagaSettings
internal import Settings

/// The settings that `payments-server` uses.
public struct ServerSettings: Sendable {
  /// The database of calls and jobs.
  public let database: DatabaseSettings
  /// The filter for repeated calls.
  public let redis: SagaSettings.Redis
  /// A part of the filter's keys.
  public let group: String
  /// The gRPC server.
  public let api: SagaSettings.Server
  /// The topic of the events that calls write.
  public let topic: String
  /// How long a payment may stay unsettled; nil for ever.
  public let timeToLive: Duration?
  /// How long the key of a call is kept.
  public let keyRetention: Duration
  /// Whether calls are looked at when they have ended, to log them.
  public let logsCalls: Bool
  /// The cron jobs; nil where other programs run them.
  public let jobs: CronSettings?

  /// Those of all settings that the program uses.
  public init(_ settings: SagaSettings) {
    database = settings.database
    redis = settings.redis
    group = settings.consumer.group
    api = settings.server
    topic = settings.producer.topic
    timeToLive = settings.payment.timeToLive
    keyRetention = settings.idempotency.retention
    logsCalls = settings.service.logLevel == .debug || settings.server.accessLog != .off
    jobs = settings.cron.isEnabled ? CronSettings(settings) : nil
  }
}
