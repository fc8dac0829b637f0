package import Kafka
internal import Values

/// How often messages were put back, by where they lie now.
///
/// The log of operations has it, in the database. A header of the message would be the producer's to set.
package struct RequeueCounts: Sendable {
  private var counts: [TopicPartition: [Int64: Int64]] = [:]

  /// Nothing was put back.
  package init() {}

  /// - Parameters:
  ///   - topic: where messages were put back.
  ///   - details: of the log's entries, as `detail` writes them; others, such as those of older versions, say nothing.
  package init(topic: String, details: [String]) {
    for detail in details {
      let words = detail.prefix { $0 != ":" }.split(separator: " ", omittingEmptySubsequences: false)
      guard words.count == 5, words[1] == "to", words[3] == "time" else { continue }
      let place = words[2].split(separator: "@", omittingEmptySubsequences: false)
      guard place.count == 2, let partition = Int32(place[0]), let offset = Int64(place[1]), let count = Int64(words[4])
      else { continue }
      counts[TopicPartition(topic, partition), default: [:]][offset] = count
    }
  }

  /// What the log says of a letter that was put back.
  /// - Parameters:
  ///   - letter: as it lay on the dead-letter topic.
  ///   - place: where it lies now.
  package static func detail(_ letter: DeadLetter, to place: TopicPartitionOffset) -> String {
    "\(letter.letter.partition)@\(letter.letter.offset) to \(place.partition)@\(place.offset) time "
      + "\(letter.requeues.adding(saturating: 1)): \(letter.error)"
  }

  /// How often the message was put back that this letter was before it died.
  package func count(_ letter: DeadLetter, of topic: String) -> Int64 {
    guard let origin = letter.origin, origin.place.topic == topic else { return 0 }
    return counts[origin.place]?[origin.offset] ?? 0
  }
}
