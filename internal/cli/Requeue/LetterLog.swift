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

  /// - Parameter messages: the dead letters, all of one topic.
  func note(_ messages: [ConsumedMessage]) throws {
    guard let topic = messages.first?.topic else { return }
    let entries = messages.map { message in
      let letter = DeadLetter(message)
      return (
        key: Self.text(message.key), detail: "\(message.partition)@\(message.offset): \(Self.storable(letter.error))"
      )
    }
    try log.note(action, by: person, topic: topic, messages: entries, on: connection)
  }

  func close() { connection.close() }

  private static func text(_ bytes: [UInt8]?) -> String? {
    bytes.map { storable(String(decoding: $0.prefix(255), as: UTF8.self)) }
  }

  /// No text of PostgreSQL holds a NUL.
  private static func storable(_ text: String) -> String { String(text.filter { $0 != "\0" }.prefix(1_000)) }
}
