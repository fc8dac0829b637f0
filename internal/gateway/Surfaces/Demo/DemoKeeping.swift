package import GatewayAPI
package import GatewayDomain
package import GatewayStore
package import Values

/// What the demo surface keeps. Callable on any thread.
package protocol DemoKeeping: Sendable {
  /// Adds a user, unless the id is somebody's.
  func add(_ user: DemoUser, deadline: Instant) async throws(StoreTrouble) -> DemoAdded
  /// Adds a payment method, unless the id is another's.
  func add(_ method: DemoMethod, deadline: Instant) async throws(StoreTrouble) -> DemoAdded
  /// Adds a request with its messages for risk and for readers, unless the id is another's.
  func add(
    _ request: DemoRequest, checksIDs: Bool, traceparent: String?, deadline: Instant
  ) async throws(StoreTrouble) -> DemoAdded
  /// Users, oldest first, one more than the page has when there are more.
  func users(_ page: DemoPage, deadline: Instant) async throws(StoreTrouble) -> [DemoRow<DemoUser>]
  /// Payment methods, likewise.
  func methods(_ page: DemoPage, deadline: Instant) async throws(StoreTrouble) -> [DemoRow<DemoMethod>]
  /// Requests, likewise.
  func requests(_ page: DemoPage, deadline: Instant) async throws(StoreTrouble) -> [DemoRow<DemoRequest>]
}
