internal import Runtime
internal import Values

/// The payments that this process is at: from before it begins to write "asked at" until the tables have the bank's
/// answer, and each card for as long as it is in memory. Nothing else in the process asks for them meanwhile
/// (docs/decisions, 49). Whoever took a payment lets it go, and nobody else does.
final class InHand: Sendable {
  private let ids = Monitor(Set<UniqueID>())

  /// - Returns: false when somebody has it.
  func take(_ id: UniqueID) -> Bool { ids.withLock { $0.insert(id).inserted } }

  func letGo(_ id: UniqueID) {
    ids.update { ids in
      let isKnown = ids.remove(id) != nil
      precondition(isKnown, "a payment was let go that nobody had in hand")
    }
  }

  var count: Int { ids.withLock { $0.count } }

  /// Blocks until nothing is in hand.
  /// - Returns: false at the deadline.
  func waitUntilEmpty(until deadline: Instant) -> Bool {
    ids.wait(until: deadline) { $0.isEmpty ? true : nil } ?? false
  }
}
