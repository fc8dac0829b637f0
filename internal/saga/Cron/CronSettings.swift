public import ClientSettings
public import Kafka
public import SagaSettings

/// The settings that the cron jobs use.
public struct CronSettings: Sendable {
  /// The brokers that events go to.
  public let kafka: KafkaSettings
  /// The topic of the events.
  public let topic: String
  /// The group that reads inventory messages.
  public let inventoryGroup: GroupWatch.Group
  /// The one whose offsets say which of their dead letters wait for nobody any more.
  public let requeueGroup: GroupWatch.Group
  /// How the relay works.
  public let cron: SagaSettings.Cron
  /// What happens to events after they are published or refused.
  public let event: SagaSettings.Event
  /// How long a payment may stay unsettled; nil for ever.
  public let timeToLive: Duration?
  /// How long a payment is final before it is archived; nil for ever.
  public let archiveAfter: Duration?
  /// How long the key of a call is kept.
  public let keyRetention: Duration

  /// Those of all settings that the jobs use.
  public init(_ settings: SagaSettings) {
    kafka = settings.kafka
    topic = settings.producer.topic
    let consumer = settings.consumer
    inventoryGroup = GroupWatch.Group(consumer.group, on: consumer.topic)
    requeueGroup = GroupWatch.Group(SagaSettings.Consumer.requeueGroup, on: consumer.deadLetterTopic)
    cron = settings.cron
    event = settings.event
    timeToLive = settings.payment.timeToLive
    archiveAfter = settings.payment.archiveAfter
    keyRetention = settings.idempotency.retention
  }
}
