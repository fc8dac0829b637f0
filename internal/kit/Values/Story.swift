/// What happened to one thing, in order of time: entries of several stores, each with when it happened, which part of
/// the system it concerns, and what is known of it.
public struct Story: Sendable {
  /// One thing that happened.
  public struct Entry: Sendable, Hashable {
    /// When, by the clock of whoever wrote it down.
    public let at: Timestamp
    /// Which part of the system it concerns: `event`, `bank`, `ledger`, …
    public let part: String
    /// What happened, in a word: `CREATED`, `published`, `asked`, …
    public let what: String
    /// Names and values; what is absent is left out.
    public let fields: [Field]

    /// - Parameter fields: a value that is nil is left out.
    public init(_ at: Timestamp, _ part: String, _ what: String, _ fields: KeyValuePairs<String, Value?>) {
      self.at = at
      self.part = part
      self.what = what
      self.fields = fields.compactMap { name, value in value.map { Field(name: name, value: $0) } }
    }
  }

  /// Something that is known of an entry.
  public struct Field: Sendable, Hashable {
    /// Its name, such as `order_id`.
    public let name: String
    /// Its value.
    public let value: Value

    /// A field.
    public init(name: String, value: Value) {
      self.name = name
      self.value = value
    }
  }

  /// A value of an entry.
  public enum Value: Sendable, Hashable {
    case text(String)
    case number(Int64)
    case time(Timestamp)
    case uuid(UniqueID)
  }

  /// Oldest first; of one moment in the order in which they were added.
  public private(set) var entries: [Entry] = []

  /// Nothing is known yet.
  public init() {}

  /// Adds what another store knows.
  public mutating func add(_ more: [Entry]) {
    let all = (entries + more).enumerated()
    entries = all.sorted { ($0.element.at, $0.offset) < ($1.element.at, $1.offset) }.map(\.element)
  }
}

extension Story.Value {
  /// A text; nil for none and for an empty one.
  public static func textOrNil(_ text: String?) -> Story.Value? { text.flatMap { $0.isEmpty ? nil : .text($0) } }
  /// A number; nil for none.
  public static func numberOrNil(_ number: Int64?) -> Story.Value? { number.map { .number($0) } }
  /// A moment; nil for none.
  public static func timeOrNil(_ time: Timestamp?) -> Story.Value? { time.map { .time($0) } }
  /// An id; nil for none.
  public static func uuidOrNil(_ id: UniqueID?) -> Story.Value? { id.map { .uuid($0) } }
}

extension Story.Value: JSONRepresentable {
  /// Appends it as JSON: moments in RFC 3339, ids in their usual form.
  public func appendJSON(to bytes: inout [UInt8]) {
    switch self {
    case .text(let text): text.appendJSON(to: &bytes)
    case .number(let number): number.appendJSON(to: &bytes)
    case .time(let time): time.appendJSON(to: &bytes)
    case .uuid(let id): id.appendJSON(to: &bytes)
    }
  }
}

extension Story.Entry: JSONRepresentable {
  /// Appends an object: `at`, `part`, `what` and its fields.
  public func appendJSON(to bytes: inout [UInt8]) {
    JSONWriter.appendObject(to: &bytes) { object in
      object.add("at", at)
      object.add("part", part)
      object.add("what", what)
      for field in fields { object.add(named: field.name, field.value) }
    }
  }
}
