internal import Kafka
internal import Logger
internal import Values

/// Reads a topic from its beginning, or from a moment, up to marks noted before.
final class TopicReader {
  /// Time without a message after which the broker counts as gone.
  private static let patience = Duration.seconds(60)
  private static let answerTime = Duration.seconds(15)
  /// Partitions that are read at a time: one answer may bring a batch of each, on top of what is queued.
  private static let width = 2

  private let consumer: KafkaConsumer
  private let places: [TopicPartition]

  init(_ configuration: KafkaConfiguration, topic: String, partitions: Int, logger: Logger) throws(KafkaError) {
    var configuration = configuration
    configuration.properties["enable.partition.eof"] = "true"
    // Bounds what one answer of several partitions unpacks to.
    configuration.properties["fetch.message.max.bytes"] = "262144"
    // librdkafka 2.0 asks for nothing for a second once its queue has been full. It counts a third of what a message
    // of ours takes in memory; 20 MiB hold what devkafka keeps of two partitions. The limit is on bytes alone.
    configuration.properties["queued.max.messages.kbytes"] = "20480"
    configuration.properties["queued.min.messages"] = "1000000"
    // The end of a partition is told by an empty answer.
    configuration.properties["fetch.wait.max.ms"] = "10"
    consumer = try KafkaConsumer(configuration, options: KafkaConsumer.Options(), logger: logger)
    places = (0..<Int32(partitions)).map { TopicPartition(topic, $0) }
  }

  /// The present watermarks of each partition.
  func watermarks() throws(KafkaError) -> [Watermarks] {
    let deadline = Instant.now() + Self.answerTime
    var marks: [Watermarks] = []
    for place in places { marks.append(try consumer.queryWatermarks(place, until: deadline)) }
    return marks
  }

  /// Where reading begins in each partition, and whether wanted messages before it are gone.
  ///
  /// A broker without a time index is read from the start.
  func starts(_ marks: [Watermarks], since: Timestamp?) -> [(offset: Int64, isCut: Bool)] {
    let whole = marks.map { (offset: $0.low, isCut: $0.low > 0) }
    guard let since else { return whole }
    do throws(KafkaError) {
      guard try hasTimeIndex(marks) else { return whole }
      let early = Timestamp(microseconds: max(0, since.microseconds.subtracting(saturating: AuditLedger.Scope.skew)))
      let found = try consumer.offsets(places, since: early, until: Instant.now() + Self.answerTime)
      var starts = whole
      for entry in found {
        let index = Int(entry.place.partition)
        let offset = max(entry.offset, marks[index].low)
        // Messages from before `since` are there, so no wanted message is gone.
        starts[index] = (offset, offset == marks[index].low && marks[index].low > 0)
      }
      return starts
    } catch {
      return whole
    }
  }

  /// devkafka answers every look-up by time as if there were nothing so late; a broker that looks finds the first
  /// record for a time before all of them.
  private func hasTimeIndex(_ marks: [Watermarks]) throws(KafkaError) -> Bool {
    guard let filled = marks.firstIndex(where: { $0.low < $0.high }) else { return true }
    let found = try consumer.offsets(
      [places[filled]], since: Timestamp(microseconds: 0), until: Instant.now() + Self.answerTime)
    return found.allSatisfy { $0.offset < marks[filled].high }
  }

  /// - Parameters:
  ///   - ends: the offsets to stop before.
  ///   - onProgress: told how many offsets more are behind us.
  func read(
    from starts: [Int64], to ends: [Int64], onProgress: (Int) throws -> Void, _ body: (ScannedRecord) -> Void
  ) throws {
    let filled = places.indices.filter { starts[$0] < ends[$0] }
    for first in stride(from: 0, to: filled.count, by: Self.width) {
      let group = Set(filled[first..<min(first + Self.width, filled.count)])
      try read(group, from: starts, to: ends, onProgress: onProgress, body)
    }
  }

  private func read(
    _ group: Set<Int>, from starts: [Int64], to ends: [Int64], onProgress: (Int) throws -> Void,
    _ body: (ScannedRecord) -> Void
  ) throws {
    var next = starts
    var open = group
    try consumer.assign(open.sorted().map { (place: places[$0], from: .offset(starts[$0])) })
    let record = ScannedRecord(headers: ["ce_id", "seq"])
    var lastProgress = Instant.now()
    while !open.isEmpty {
      var passed = 0
      var finished: [Int] = []
      func reach(_ index: Int, _ offset: Int64) {
        let reached = min(offset, ends[index])
        guard reached > next[index] else { return }
        passed += Int(clamping: reached.subtracting(saturating: next[index]))
        next[index] = reached
        if reached >= ends[index] { finished.append(index) }
      }
      _ = try consumer.scan(
        into: record, max: 5_000, until: Instant.now() + .milliseconds(500),
        atEnd: { partition, offset in reach(Int(partition), offset) },
        onRecord: { record in
          let index = Int(record.partition)
          guard record.offset < ends[index] else { return }
          body(record)
          reach(index, record.offset.adding(saturating: 1))
        })
      if let denial = consumer.denial { throw denial }
      if !finished.isEmpty {
        open.subtract(finished)
        // Messages published from now on are not read.
        try consumer.pause(finished.map { places[$0] })
      }
      let now = Instant.now()
      if passed > 0 { lastProgress = now }
      try onProgress(passed)
      guard now - lastProgress < Self.patience else {
        throw AuditError(
          .stalled,
          "no message came for \(Self.patience); \(open.count) partitions of the topic are not read to the end")
      }
    }
  }

  func close() { consumer.close(until: Instant.now() + .seconds(1)) }
}
