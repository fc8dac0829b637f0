public import Values

extension EventSummary {
  /// What happened to the event, as entries of the story of its key.
  /// - Parameter outbox: which outbox has it, such as `orders`.
  public func story(of outbox: String) -> [Story.Entry] {
    let written = Story.Entry(
      createdAt, "event", "written",
      [
        "outbox": .text(outbox), "seq": .number(sequence), "type": .textOrNil(header("ce_type")),
        "topic": .text(topic), "event_id": .uuid(eventID), "by": .textOrNil(header("caller")),
        "traceparent": .textOrNil(header("traceparent")),
        // Of one that waits: what became of it before.
        "attempts": status == .waiting ? .number(Int64(attempts)) : nil,
        "last_error": status == .waiting ? .textOrNil(lastError) : nil,
        "state": status == .waiting ? .text("WAIT") : nil,
      ])
    guard let doneAt, status != .waiting else { return [written] }
    let ended = Story.Entry(
      doneAt, "event", status == .done ? "published" : "dead",
      [
        "outbox": .text(outbox), "seq": .number(sequence), "topic": .text(topic),
        "partition": .numberOrNil(place.map { Int64($0.partition) }), "offset": .numberOrNil(place?.offset),
        "attempts": .number(Int64(attempts)), "last_error": .textOrNil(lastError), "event_id": .uuid(eventID),
      ])
    return [written, ended]
  }
}
