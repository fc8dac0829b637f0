public import Postgres
public import Values

extension OutboxInspection {
  /// The most operations of one key that are shown, the newest of them.
  private static let mostOperations = 100

  /// What became of the events of a key, and what operators and relays noted about it, as entries of its story.
  /// - Parameters:
  ///   - outbox: which outbox it is, such as `orders`; for people.
  ///   - times: when events of the key were written.
  ///   - count: how many events there should be; nil when that is not known.
  ///   - longest: how long after `times` today's events are looked for; an entry tells how many were not found. nil
  ///     reads the whole day, unless `count` says that there is nothing else.
  public func story(
    of key: String, named outbox: String, near times: [Timestamp], count: Int?, within longest: Duration? = nil,
    on connection: Connection
  ) throws(DatabaseError) -> [Story.Entry] {
    let events = try history(of: key, near: times, count: count, within: longest, on: connection)
    let operations = try OperationLog(tables).entries(key: key, limit: Self.mostOperations, on: connection)
    // An event that is still dead tells of its death itself.
    let dead = Set(events.filter { $0.status == .dead }.map(\.eventID))
    let noted = operations.reversed().filter { operation in
      operation.action != Operation.Action.dead.rawValue || operation.eventID.map { dead.contains($0) } != true
    }
    var entries = events.flatMap { $0.story(of: outbox) } + noted.map { $0.story(of: outbox) }
    if let longest, let entry = Self.missing(events, near: times, count: count, within: longest, of: outbox) {
      entries.append(entry)
    }
    return entries
  }

  /// An entry for today's events that were not found; those of earlier days may be kept no more.
  private static func missing(
    _ events: [EventSummary], near times: [Timestamp], count: Int?, within longest: Duration, of outbox: String
  ) -> Story.Entry? {
    let day = { (moment: Timestamp) in moment.microseconds / 86_400_000_000 }
    guard let count, events.count < count, let last = times.max(), day(last) == day(.now()) else { return nil }
    let minutes = longest.inMilliseconds / 60_000
    return Story.Entry(
      last, "event", "not found",
      [
        "outbox": .text(outbox), "events": .number(Int64(count - events.count)),
        "detail": .text("published more than \(minutes) minutes later, or replayed"),
      ])
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
