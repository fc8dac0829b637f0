package import GatewayDomain
package import GatewayStore
package import Values

/// Users and their payment methods, as `/v1` needs them. Callable on any thread.
package protocol CustomerKeeping: Sendable {
  /// Adds a user, unless the id is somebody's.
  func add(_ user: GatewayUser, deadline: Instant) async throws(StoreTrouble) -> CustomerStore.Added
  /// A user; nil where there is none.
  func user(_ id: UniqueID, deadline: Instant) async throws(StoreTrouble) -> (user: GatewayUser, createdAt: Timestamp)?
  /// Users by ascending id, one more than the limit when there are more.
  func users(
    _ filter: OwnedFilter, deadline: Instant
  ) async throws(StoreTrouble) -> [(user: GatewayUser, createdAt: Timestamp)]
  /// Adds a payment method, unless the id is another's.
  func add(_ method: SavedMethod, deadline: Instant) async throws(StoreTrouble) -> CustomerStore.Added
  /// A payment method; nil where there is none.
  func method(
    _ id: UniqueID, deadline: Instant
  ) async throws(StoreTrouble) -> (method: SavedMethod, createdAt: Timestamp)?
  /// Payment methods by ascending id, one more than the limit when there are more.
  func methods(
    _ filter: OwnedFilter, deadline: Instant
  ) async throws(StoreTrouble) -> [(method: SavedMethod, createdAt: Timestamp)]
  /// Deletes a payment method.
  /// - Returns: whether there was one.
  func deleteMethod(_ id: UniqueID, deadline: Instant) async throws(StoreTrouble) -> Bool
}
