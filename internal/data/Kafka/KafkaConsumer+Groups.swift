public import Values

extension KafkaConsumer {
  /// The committed offsets of this reader's group with their notes, as its coordinator knows them; partitions without
  /// one are left out. Nobody joins the group. Blocks.
  /// - Throws: as `committedNotes`, once `deadline` has passed or waiting cannot help.
  public func groupOffsets(
    of places: [TopicPartition], until deadline: Instant
  ) throws(KafkaError) -> [TopicPartition: (offset: Int64, note: String)] {
    while true {
      do throws(KafkaError) {
        return try committedNotes(places, until: min(deadline, .now() + .seconds(1)))
      } catch {
        // A coordinator that refuses us is looked for again and again; why, comes beside the messages.
        _ = try poll(max: 1, until: .now())
        if let denial { throw denial }
        guard error.isRetryable, error.code != .notAuthorized, error.code != .notTrusted, Instant.now() < deadline
        else { throw error }
      }
    }
  }
}
