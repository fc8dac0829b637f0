import Inbox
package import Kafka
import Values

/// A message of the dead-letter topic, and the one it was. Pure: any topic can be read as one.
package struct DeadLetter {
  /// The message as it lies on the dead-letter topic.
  package let letter: ConsumedMessage
  /// How often it was put back, by the log of operations; nil where nobody has looked.
  package var counted: Int64?

  /// Any message can be read as a dead letter; `obstacle` says whether it is one.
  package init(_ letter: ConsumedMessage) { self.letter = letter }

  var error: String { text(DeadLetterHeader.error) ?? "" }

  /// The number of times it was requeued before; what its header claims where nobody has looked.
  package var requeues: Int64 {
    counted ?? text(DeadLetterHeader.requeues).flatMap { Int64($0) }.map { max(0, $0) } ?? 0
  }

  /// Where it lay before it died.
  var origin: TopicPartitionOffset? {
    guard let topic = text(DeadLetterHeader.topic),
      let partition = text(DeadLetterHeader.partition).flatMap({ Int32($0) }),
      let offset = text(DeadLetterHeader.offset).flatMap({ Int64($0) })
    else { return nil }
    return TopicPartitionOffset(topic, partition, offset)
  }

  /// The original message, ready to be published again; its header counts this requeue.
  /// - Parameter partitions: of the topic; where it had fewer when the message died it goes by its key.
  package func revived(to topic: String, partitions: Int, token: UInt64) -> ProducerRecord {
    var headers = letter.headers.filter {
      !DeadLetterHeader.ofOneDeath.contains($0.name) && $0.name != DeadLetterHeader.requeues
    }
    headers.append(RecordHeader(DeadLetterHeader.requeues, String(requeues.adding(saturating: 1))))
    let origin = text(DeadLetterHeader.topic) == topic ? text(DeadLetterHeader.partition).flatMap { Int32($0) } : nil
    // The original partition has the other messages of its key, whichever partitioner chose it.
    let partition = origin.flatMap { (0..<Int32(clamping: partitions)).contains($0) ? $0 : nil }
    return ProducerRecord(
      topic: topic, key: letter.key, value: letter.value, headers: headers, token: token, partition: partition)
  }

  /// Why it cannot be requeued; nil when it can.
  /// - Parameters:
  ///   - topic: where messages are put back.
  ///   - limit: how often a message may be put back.
  package func obstacle(topic: String, limit: Int64) -> String? {
    guard let origin = text(DeadLetterHeader.topic) else {
      return "it does not say where it comes from"
    }
    if origin != topic { return "it comes from another topic, \(origin)" }
    if let leftOut = text(DeadLetterHeader.leftOut) {
      return "the dead-letter topic refused \(leftOut == "all" ? "all of it" : "its \(leftOut)")"
    }
    if requeues >= limit { return "it was put back \(requeues) times already; see --max-requeues" }
    return nil
  }

  /// The line that `inventory dead` prints; the value is left out.
  package var record: Record {
    [
      "partition": .number(Int64(letter.partition)), "offset": .number(letter.offset),
      "key": .optional(letter.key.map { String(decoding: $0, as: UTF8.self) }),
      "from_topic": .optional(text(DeadLetterHeader.topic)),
      "from_partition": number(DeadLetterHeader.partition), "from_offset": number(DeadLetterHeader.offset),
      "requeues": .number(requeues), "error": .text(error), "time": .optional(letter.timestamp),
    ]
  }

  /// As an entry of its order's story; of an unknown time at the begin of it.
  var story: Story.Entry {
    Story.Entry(
      letter.timestamp ?? Timestamp(microseconds: 0), "dead letter", "died",
      [
        "topic": .text(letter.topic), "partition": .number(Int64(letter.partition)), "offset": .number(letter.offset),
        "from_topic": .textOrNil(text(DeadLetterHeader.topic)),
        "from_partition": .textOrNil(text(DeadLetterHeader.partition)),
        "from_offset": .textOrNil(text(DeadLetterHeader.offset)), "requeues": .number(requeues),
        "reason": .textOrNil(error),
      ])
  }

  private func number(_ name: String) -> Record.Value { text(name).flatMap { Int64($0) }.map { .number($0) } ?? .null }

  /// The last header of that name: earlier ones are the message's own.
  private func text(_ name: String) -> String? {
    letter.headers.last { $0.name == name }?.value.map { String(decoding: $0, as: UTF8.self) }
  }
}
