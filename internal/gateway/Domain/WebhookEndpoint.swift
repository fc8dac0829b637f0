public import Values

/// Where a caller wants to be told of payments.
public struct WebhookEndpoint: Sendable, Hashable {
  /// The most endpoints that are not deleted: each payment looks at all of them.
  public static let maximumEndpoints = 100

  /// Whether it is told of anything.
  public enum State: Sendable, Hashable {
    /// It is.
    case enabled
    /// It is not, since this moment.
    case disabled(DisabledReason, since: Timestamp)
  }

  /// Why nothing is sent. The raw values are those of tables and API.
  public enum DisabledReason: String, Sendable, Hashable {
    /// A caller has asked for it.
    case asked
    /// The receiver has answered 410.
    case gone
    /// Nothing was delivered for days, and attempts have failed.
    case failing
  }

  /// Its id.
  public let id: UniqueID
  /// Where events are sent.
  public let url: String
  /// Types or patterns of types, each of `WebhookPattern.all`, without repetition.
  public let events: [String]
  /// For people.
  public let description: String?
  /// Whether it is told of anything.
  public let state: State
  /// The first failure since the last delivery; nil while deliveries succeed.
  public let failingSince: Timestamp?
  /// When it was made.
  public let createdAt: Timestamp

  /// An endpoint as a table has it.
  public init(
    id: UniqueID, url: String, events: [String], description: String?, state: State, failingSince: Timestamp?,
    createdAt: Timestamp
  ) {
    self.id = id
    self.url = url
    self.events = events
    self.description = description
    self.state = state
    self.failingSince = failingSince
    self.createdAt = createdAt
  }

  /// Its fields as `/v1` shows them.
  public func write(into object: inout JSONObjectWriter) {
    object.add("id", id)
    object.add("url", url)
    object.add("events", events)
    object.add("description", description)
    switch state {
    case .enabled:
      object.add("enabled", true)
      object.add("disabled_reason", String?.none)
      object.add("disabled_at", Timestamp?.none)
    case .disabled(let reason, let since):
      object.add("enabled", false)
      object.add("disabled_reason", reason.rawValue)
      object.add("disabled_at", since)
    }
    object.add("failing_since", failingSince)
    object.add("created_at", createdAt)
  }
}
