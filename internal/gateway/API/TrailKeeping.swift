package import ProcessingStore
package import Values

/// What happened to payments beside their states, as `/v1/payments/{id}/history` needs it. Callable on any thread.
package protocol TrailKeeping: Sendable {
  /// The trail of a payment; an empty one where nobody has claimed it.
  func trail(of id: UniqueID, deadline: Instant) async throws(StoreTrouble) -> PaymentTrail
}
