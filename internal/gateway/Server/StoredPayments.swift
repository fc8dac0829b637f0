internal import GatewayAPI
internal import GatewayDomain
internal import GatewayStore
internal import Runtime
internal import Values

/// Payments in the gateway's database.
struct StoredPayments: PaymentKeeping {
  private let intake: PaymentIntake
  private let reader: PaymentReader
  private let onCreate: @Sendable (GatewayPayment) -> Void

  /// - Parameter onCreate: told of each payment that is taken in here.
  init(_ intake: PaymentIntake, _ reader: PaymentReader, onCreate: @escaping @Sendable (GatewayPayment) -> Void) {
    self.intake = intake
    self.reader = reader
    self.onCreate = onCreate
  }

  func replay(
    _ request: PaymentRequest, key: RequestKey, deadline: Instant
  ) async throws(GatewayStoreError) -> CreatedPayment? {
    try await intake.replay(request, key: key, deadline: deadline)
  }

  func create(
    _ request: PaymentRequest, key: RequestKey, apiKeyID: UniqueID?, traceparent: String?, deadline: Instant
  ) async throws(GatewayStoreError) -> CreatedPayment {
    let created = try await intake.create(
      request, key: key, apiKeyID: apiKeyID, traceparent: traceparent, deadline: deadline)
    if let payment = created.payment { onCreate(payment) }
    return created
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

/// Reads payments for those that wait; blocks the calling thread.
struct BlockingReads: LiveReads {
  private let reader: PaymentReader
  /// How long a reading may take.
  private static let time = Duration.seconds(2)

  init(_ reader: PaymentReader) { self.reader = reader }

  func load(_ ids: [UniqueID]) -> Result<FoundPayments, GatewayStoreError> {
    Self.wait { [reader] () async throws(GatewayStoreError) in
      try await reader.payments(ids, deadline: .now() + Self.time)
    }
  }

  func pages(_ wanted: [UserPages.Wanted]) -> Result<[UserPages.Page], GatewayStoreError> {
    Self.wait { [reader] () async throws(GatewayStoreError) in
      try await reader.pages(wanted, deadline: .now() + Self.time)
    }
  }

  private static func wait<Value: Sendable>(
    _ body: @escaping @Sendable () async throws(GatewayStoreError) -> Value
  ) -> Result<Value, GatewayStoreError> {
    let answer = Monitor<Result<Value, GatewayStoreError>?>(nil)
    Task {
      do throws(GatewayStoreError) {
        let value = try await body()
        answer.update { $0 = .success(value) }
      } catch {
        answer.update { $0 = .failure(error) }
      }
    }
    // The pool answers each call, at the latest when the statement's time is up.
    guard let answer = answer.wait({ $0 }) else { preconditionFailure("a wait without an end has an outcome") }
    return answer
  }
}
