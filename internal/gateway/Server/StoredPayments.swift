internal import GatewayAPI
internal import GatewayDomain
internal import GatewayStore
internal import Runtime
internal import Values

/// Payments in the gateway's database.
struct StoredPayments: PaymentKeeping {
  private let intake: PaymentIntake
  private let reader: PaymentReader

  init(_ intake: PaymentIntake, _ reader: PaymentReader) {
    self.intake = intake
    self.reader = reader
  }

  func replay(
    _ request: PaymentRequest, key: RequestKey, deadline: Instant
  ) async throws(GatewayStoreError) -> CreatedPayment? {
    try await intake.replay(request, key: key, deadline: deadline)
  }

  func create(
    _ request: PaymentRequest, key: RequestKey, apiKeyID: UniqueID?, traceparent: String?, deadline: Instant
  ) async throws(GatewayStoreError) -> CreatedPayment {
    try await intake.create(
      request, key: key, apiKeyID: apiKeyID, traceparent: traceparent, deadline: deadline)
  }

  func payment(_ id: UniqueID, deadline: Instant) async throws(GatewayStoreError) -> GatewayPayment? {
    try await reader.payment(id, deadline: deadline)
  }

  func history(_ id: UniqueID, deadline: Instant) async throws(GatewayStoreError) -> [PaymentStanding] {
    try await reader.history(id, deadline: deadline)
  }

  func list(_ filter: PaymentFilter, deadline: Instant) async throws(GatewayStoreError) -> PaymentPage {
    try await reader.list(filter, deadline: deadline)
  }
}

extension PaymentReader {
  /// How long a reading for those that wait may take.
  private static let loadTime = Duration.seconds(2)

  /// Reads payments for those that wait; blocks the calling thread.
  func load(_ ids: [UniqueID]) -> Result<FoundPayments, GatewayStoreError> {
    let answer = Monitor<Result<FoundPayments, GatewayStoreError>?>(nil)
    Task {
      do throws(GatewayStoreError) {
        let found = try await payments(ids, deadline: .now() + Self.loadTime)
        answer.update { $0 = .success(found) }
      } catch {
        answer.update { $0 = .failure(error) }
      }
    }
    // The pool answers each call, at the latest when the statement's time is up.
    guard let answer = answer.wait({ $0 }) else { preconditionFailure("a wait without an end has an outcome") }
    return answer
  }
}
