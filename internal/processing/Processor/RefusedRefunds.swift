internal import Values

/// The payments whose automatic refunds could not be opened: they are passed over for a while, so that they do not keep
/// others from their turn.
struct RefusedRefunds: Sendable {
  /// How long a payment is passed over.
  static let pause = Duration.seconds(60)
  /// The most that are kept; of more those that have waited the longest come back early.
  static let limit = 1_024

  private struct Entry: Sendable {
    let until: Instant
    let reason: String
  }
  private var entries: [UniqueID: Entry] = [:]

  /// The payments to pass over, in any order.
  var payments: [UniqueID] { Array(entries.keys) }

  /// Why the one that was refused last was; nil when there is none.
  var reason: String? { entries.values.max { $0.until < $1.until }?.reason }

  /// Passes a payment over from `now` on.
  mutating func note(_ payment: UniqueID, _ reason: String, at now: Instant) {
    entries[payment] = Entry(until: now + Self.pause, reason: reason)
    guard entries.count > Self.limit, let oldest = entries.min(by: { $0.value.until < $1.value.until }) else { return }
    entries[oldest.key] = nil
  }

  /// Forgets those that have waited long enough.
  mutating func expire(at now: Instant) { entries = entries.filter { $0.value.until > now } }
}
