internal import ClientSettings
internal import SagaSettings

/// The settings that `payments-consumer` uses.
struct ConsumerSettings: Sendable {
  /// The brokers of both topics.
  let kafka: KafkaSettings
  /// The filter for repeated messages.
  let redis: SagaSettings.Redis
  /// What is read and how.
  let consumer: SagaSettings.Consumer
  /// The topic of the events that openings write.
  let topic: String
  /// How long a payment may stay unsettled; nil for ever.
  let timeToLive: Duration?

  /// Those of all settings that the program uses.
  init(_ settings: SagaSettings) {
    kafka = settings.kafka
    redis = settings.redis
    consumer = settings.consumer
    topic = settings.producer.topic
    timeToLive = settings.payment.timeToLive
  }
}
