import ClientSettings
import Kafka
import SagaSettings
import Values

/// Which dead letters are meant.
struct RequeueFilter {
  static let options = [
    Option("--partition", "P", "only of this partition of the dead-letter topic"),
    Option("--offset", "O", "only the message at this offset, with --partition"),
    Option("--error", "TEXT", "only messages whose dlq_error holds this text"),
    Option("--limit", "N", "at most so many, the oldest of each partition first"),
  ]
  static let synopsis = "[--partition P [--offset O]] [--error TEXT] [--limit N]"
  /// Messages on the way at once.
  static let batch = 500

  let partition: Int32?
  let offset: Int64?
  let error: String?
  let limit: Int64

  init(_ arguments: Arguments) throws(CommandError) {
    partition = try arguments.integer("--partition", in: 0...Int64(Int32.max)).map { Int32($0) }
    offset = try arguments.integer("--offset", in: 0...Int64.max)
    error = arguments.text("--error")
    limit = try arguments.integer("--limit", in: 1...Int64.max) ?? .max
    guard offset == nil || partition != nil else { throw .usage("--offset needs --partition: offsets repeat in each") }
  }

  /// Whether it leaves out anything.
  var isChoosing: Bool { partition != nil || error != nil }

  /// Whether a letter is among them; the partition was looked at before.
  func chooses(_ letter: DeadLetter) -> Bool {
    if let offset, letter.letter.offset != offset { return false }
    if let error, !letter.error.contains(error) { return false }
    return true
  }
}

extension RequeueReader {
  /// Opens the dead-letter topic of the inventory topic; an interruption ends its reads.
  static func open(_ filter: RequeueFilter, _ session: Session) throws -> RequeueReader {
    let letters = session.settings.consumer.deadLetterTopic
    guard let count = try Brokers(session).partitions(of: letters) else {
      throw CommandError.failure("there is no topic \(letters) at \(session.settings.kafka.brokers)")
    }
    if let partition = filter.partition, partition >= count {
      throw CommandError.failure("\(letters) has \(count) partitions, from 0")
    }
    let places = (0..<Int32(count)).filter { filter.partition ?? $0 == $0 }.map { TopicPartition(letters, $0) }
    return try RequeueReader(session, places: places)
  }
}
