public import Postgres
public import Values

extension OutboxInspection {
  /// The most operations of one key that are shown, the newest of them.
  private static let mostOperations = 100

  /// What became of the events of a key, and what operators and relays noted about it, as entries of its story.
  /// - Parameters:
  ///   - outbox: which outbox it is, such as `orders`; for people.
  ///   - times: when events of the key were written.
  ///   - count: how many events there should be; nil when that is not known. 0 leaves today's events out that were
  ///     published more than a minute after `times`, where looking for them reads the whole day.
  public func story(
    of key: String, named outbox: String, near times: [Timestamp], count: Int?, on connection: Connection
  ) throws(DatabaseError) -> [Story.Entry] {
    let events = try history(of: key, near: times, count: count, on: connection)
    let operations = try OperationLog(tables).entries(key: key, limit: Self.mostOperations, on: connection)
    // An event that is still dead tells of its death itself.
    let dead = Set(events.filter { $0.status == .dead }.map(\.eventID))
    let noted = operations.reversed().filter { operation in
      operation.action != Operation.Action.dead.rawValue || operation.eventID.map { dead.contains($0) } != true
    }
    return events.flatMap { $0.story(of: outbox) } + noted.map { $0.story(of: outbox) }
  }
}

extension Operation {
  /// As an entry of the story of its key.
  fileprivate func story(of outbox: String) -> Story.Entry {
    Story.Entry(
      at, "operation", action,
      [
        "outbox": .text(outbox), "by": .text(actor), "topic": .textOrNil(topic), "event_id": .uuidOrNil(eventID),
        "detail": .textOrNil(detail),
      ])
  }
}
