internal import CRdkafka
internal import Glibc
internal import Logger
internal import Synchronization

/// What a consumer's owner wants to hear about rebalances; called on the polling thread.
struct RebalanceHooks: Sendable {
  var onAssign: @Sendable ([TopicPartition]) -> Void = { _ in }
  var onRevoke: @Sendable ([TopicPartition], Bool) -> Void = { _, _ in }
}

/// librdkafka's rebalance callback, run inside `poll` or `close`.
func kafkaRebalance(
  _ client: OpaquePointer?, _ error: rd_kafka_resp_err_t,
  _ partitions: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?, _ opaque: UnsafeMutableRawPointer?
) {
  guard let client, let partitions, let context = ClientContext.of(client) else { return }
  let places = partitionElements(partitions).map(\.place)
  let hooks = context.hooks.withLock { $0 }
  switch error {
  case RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS:
    context.logger.info("partitions assigned", ["partitions": .string(summary(places))])
    context.membership.withLock { $0 = .assigned }
    context.noteProgress()
    hooks.onAssign(places)
    apply(partitions, client, context, incremental: rd_kafka_incremental_assign, whole: partitions)
  case RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS:
    let lost = rd_kafka_assignment_lost(client) != 0
    context.logger.info("partitions revoked", ["partitions": .string(summary(places)), "lost": .bool(lost)])
    hooks.onRevoke(places, lost)
    context.revoked.withLock { $0.formUnion(places) }
    context.revocations.add(1, ordering: .relaxed)
    apply(partitions, client, context, incremental: rd_kafka_incremental_unassign, whole: nil)
  default:
    context.noteError(error, "rebalance failed")
    rd_kafka_assign(client, nil)  // librdkafka asks for it, to stay in step
  }
}

/// Tells librdkafka of the change in the way that the assignor in use wants it.
private func apply(
  _ partitions: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>, _ client: OpaquePointer,
  _ context: ClientContext,
  incremental: (OpaquePointer?, UnsafePointer<rd_kafka_topic_partition_list_t>?) -> OpaquePointer?,
  whole: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?
) {
  let isCooperative = rd_kafka_rebalance_protocol(client).map { strcmp($0, "COOPERATIVE") == 0 } ?? false
  if isCooperative {
    guard let error = incremental(client, partitions) else { return }
    context.logger.error("rebalance", ["error": .error(KafkaError(consuming: error, "change the assignment"))])
  } else {
    let error = rd_kafka_assign(client, whole)
    guard error != RD_KAFKA_RESP_ERR_NO_ERROR else { return }
    context.logger.error("rebalance", ["error": .error(KafkaError(error, "change the assignment"))])
  }
}

/// Logs commits that failed in the background; the offsets stay stored and go with the next commit.
func kafkaOffsetCommit(
  _ client: OpaquePointer?, _ error: rd_kafka_resp_err_t,
  _ offsets: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?, _ opaque: UnsafeMutableRawPointer?
) {
  guard error != RD_KAFKA_RESP_ERR_NO_ERROR, error != RD_KAFKA_RESP_ERR__NO_OFFSET, let client else { return }
  ClientContext.of(client)?.logger.warning(
    "offsets not committed", ["error": .error(KafkaError(error, "commit offsets"))])
}

/// librdkafka's statistics callback, run inside `poll`.
func kafkaStatistics(
  _ client: OpaquePointer?, _ json: UnsafeMutablePointer<CChar>?, _ count: Int, _ opaque: UnsafeMutableRawPointer?
) -> Int32 {
  if let client, let json { ClientContext.of(client)?.noteStatistics(json) }
  return 0  // librdkafka frees the text
}

private func summary(_ places: [TopicPartition]) -> String {
  places.prefix(16).map(\.description).joined(separator: " ") + (places.count > 16 ? " …" : "")
}
