import Kafka
import Outbox
import Postgres
import SagaSettings

/// Writes down in the saga's log of operations what an operator does with dead letters of the inventory topic.
final class LetterLog {
  private let action: Outbox.Operation.Action
  private let person: String
  private let log: OperationLog
  private let connection: Connection

  init(_ action: Outbox.Operation.Action, by person: String, _ session: Session) throws {
    self.action = action
    self.person = person
    let outbox = OutboxChoice(.saga)
    log = OperationLog(outbox.tables)
    connection = try outbox.open(session)
  }

  /// The most entries that are looked at, newest first.
  private static let longest = 1_000_000

  /// - Parameter messages: the dead letters, all of one topic.
  func note(_ messages: [ConsumedMessage]) throws {
    try note(messages.map { (DeadLetter($0), "\($0.partition)@\($0.offset): \(DeadLetter($0).error)") })
  }

  /// - Parameter letters: all of one topic, each with what is said of it.
  func note(_ letters: [(letter: DeadLetter, detail: String)]) throws {
    guard let topic = letters.first?.letter.letter.topic else { return }
    let entries = letters.map { (key: Self.text($0.letter.letter.key), detail: Self.storable($0.detail)) }
    try log.note(action, by: person, topic: topic, messages: entries, on: connection)
  }

  /// How often messages were put back.
  /// - Parameters:
  ///   - letters: the dead-letter topic.
  ///   - topic: where they were put back.
  func counts(of letters: String, in topic: String) throws -> RequeueCounts {
    let entries = try log.entries(action: .letterRequeue, limit: Self.longest, on: connection)
    return RequeueCounts(topic: topic, details: entries.reversed().filter { $0.topic == letters }.compactMap(\.detail))
  }

  func close() { connection.close() }

  private static func text(_ bytes: [UInt8]?) -> String? {
    bytes.map { storable(String(decoding: $0.prefix(255), as: UTF8.self)) }
  }

  /// No text of PostgreSQL holds a NUL.
  private static func storable(_ text: String) -> String { String(text.filter { $0 != "\0" }.prefix(1_000)) }
}
