package import GatewayAPI
package import GatewayDomain
package import UserNames
package import Values

/// What the transactions surface keeps besides payments. Callable on any thread.
package protocol TransactionKeeping: Sendable {
  /// The number of a user, who gets one the first time.
  func number(of user: UserName, deadline: Instant) async throws(StoreTrouble) -> Int64
  /// Payments of a user on this surface, newest first.
  func payments(
    of user: UserName, before: UniqueID?, limit: Int, deadline: Instant
  ) async throws(StoreTrouble) -> [GatewayPayment]
}
