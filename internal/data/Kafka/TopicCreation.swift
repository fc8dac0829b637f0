/// The decisions of `KafkaAdmin.ensureTopics`: which topics are missing, and how to make them.
struct TopicCreation {
  /// How topics are made.
  enum Method { case request, naming }

  let wanted: [TopicSpecification]
  var method = Method.request
  /// -1 is the cluster's default (Kafka 2.4 and later).
  var replication: Int32 = -1
  private(set) var mismatches: [TopicMismatch] = []
  /// The brokers' ids.
  private(set) var brokers: Set<Int32> = []

  init(_ wanted: [TopicSpecification]) { self.wanted = wanted }

  /// Compares what is wanted with what is there.
  mutating func missing(in metadata: ClusterMetadata) -> [TopicSpecification] {
    brokers = Set(metadata.brokers.keys)
    mismatches = wanted.compactMap { topic in
      guard let found = metadata.topics[topic.name], found != topic.partitions else { return nil }
      return TopicMismatch(topic: topic.name, expected: topic.partitions, found: found)
    }
    return wanted.filter { metadata.topics[$0.name] == nil }
  }

  /// After the cluster refused the replication factor: an older one wants a number. Three copies, or as many as there
  /// are brokers.
  /// - Returns: false when a number had been given already.
  mutating func fallBackToExplicitReplication() -> Bool {
    guard replication == -1 else { return false }
    replication = Int32(clamping: min(3, max(1, brokers.count)))
    return true
  }
}
