import Cards
import DirectDomain
import GatewayDomain
import Idempotency
import Money
import Testing
import Values

@testable import GatewayStore

@Suite("A batch of intake")
struct IntakeBatchTests {
  private let keys: CardFingerprintKeys

  init() throws { keys = try CardFingerprintKeys("test:\(String(repeating: "5a6b", count: 16))") }

  private func call(
    _ number: UInt64, key: String? = nil, order: Int64? = nil, name: String? = nil, apiKey: UInt64? = nil,
    request: String = "{}"
  ) -> IntakeCall {
    let id = UniqueID(high: 5, low: number << 8)
    let moment = Timestamp(microseconds: 0)
    let payment = GatewayPayment(
      id: id, standing: PaymentStanding(createdAt: moment), userID: UniqueID(high: 1, low: 1),
      payeeID: UniqueID(high: 2, low: 2), apiKeyID: apiKey.map { UniqueID(high: 0, low: $0) },
      source: .account(masked: "****"), amount: Money(minorUnits: 1, Currency("EUR")!), orderID: order,
      externalID: name, description: nil,
      metadata: .empty, createdAt: moment)
    return IntakeCall(
      payment, key: key.map { ScopedKey(scope: "s", text: $0) }, digest: RequestDigest(of: Array(request.utf8), keys),
      events: [])
  }

  private func describe(_ outcomes: [IntakeBatch.Result]) -> [String] {
    outcomes.map { outcome in
      switch outcome {
      case .success(.created): "created"
      case .success(.replayed(let response)): "replayed \(response.status) \(response.paymentID?.low ?? 0 >> 8)"
      case .failure(let error): "\(error.code)"
      }
    }
  }

  /// As if the calls came one after another.
  @Test func `a key and an order count within the batch, too`() {
    let calls = [
      call(1, key: "a"), call(2, key: "a"), call(3, key: "a", request: "{\"x\":1}"), call(4, order: 9),
      call(5, order: 9), call(6), call(7, key: "b", order: 9), call(8, key: "b", order: 9),
    ]
    var batch = IntakeBatch(calls, KeyFindings())
    #expect(batch.claims.map(\.orderID) == [9] && batch.claims.map(\.paymentID) == [calls[3].payment.id])
    batch.claimed([9])
    #expect(batch.executed.map(\.payment.id) == [0, 3, 5].map { calls[$0].payment.id })
    #expect(
      describe(batch.outcomes) == [
        "created", "replayed 201 256", "keyReused", "created", "orderPaymentExists", "created", "orderPaymentExists",
        "orderPaymentExists",
      ])
  }

  @Test func `an external id belongs to the first payment of an API key that is not refused`() {
    let calls = [
      call(1, order: 9, name: "a"), call(2, name: "a"), call(3, order: 8, name: "a"), call(4, name: "a", apiKey: 1),
      call(5, order: 7, name: "b"), call(6, name: "b"), call(7, name: "c"), call(8),
    ]
    let ids = calls.map(\.payment.id)
    var batch = IntakeBatch(calls, KeyFindings())
    // Order 9 is another payment's, so that its external id is for the next.
    batch.claimed([8, 7])
    let names = batch.takeNames()
    #expect(names.map(\.paymentID) == [1, 3, 4, 6].map { ids[$0] })
    #expect(Set(names.map(\.name)).count == 4)
    // The table has another payment for b.
    let earlier = UniqueID(high: 1, low: 99)
    batch.named([ids[1]: ids[1], ids[3]: ids[3], ids[4]: earlier, ids[6]: ids[6]])
    #expect(batch.executed.map(\.payment.id) == [1, 3, 6, 7].map { ids[$0] })
    #expect(batch.ordersToFree.map(\.orderID) == [8, 7])
    let codes = batch.outcomes.map { outcome -> GatewayStoreError.Code? in
      if case .failure(let error) = outcome { error.code } else { nil }
    }
    #expect(
      codes == [
        .orderPaymentExists, nil, .externalIDExists(ids[1]), nil, .externalIDExists(earlier),
        .externalIDExists(earlier), nil, nil,
      ])
  }

  @Test func `when the first use of a key is refused, only the same request shares its fate`() {
    let calls = [
      call(1, key: "a", order: 9), call(2, key: "a", order: 9), call(3, key: "a", order: 9, request: "{\"x\":1}"),
    ]
    var batch = IntakeBatch(calls, KeyFindings())
    batch.claimed([])
    #expect(batch.executed.isEmpty)
    #expect(describe(batch.outcomes) == ["orderPaymentExists", "orderPaymentExists", "keyInFlight"])
  }

  @Test func `a payment that an earlier run has taken in is the call's own`() {
    let calls = [call(1, key: "a", order: 9), call(2, key: "b")]
    let batch = IntakeBatch(calls, KeyFindings(), own: [calls[0].payment.id])
    #expect(batch.claims.isEmpty && batch.executed.map(\.payment.id) == [calls[1].payment.id])
    #expect(describe(batch.outcomes) == ["created", "created"])
  }
}

@Suite("Answers that are kept")
struct KeptResponseTests {
  @Test func `bytes stay bytes`() throws {
    let body = Array("{\"a\":\"\\u202e \\\" ä\\n\", \"b\" : [1,2 ]}\n".utf8)
    for id in [nil, UniqueID.random()] {
      let response = KeptResponse(status: 201, body: body, paymentID: id)
      #expect(try KeptResponse(reading: response.write()) == response)
    }
  }

  @Test(arguments: [
    "", "null", "{}", #"{"status":201}"#, #"{"body":"x"}"#, #"{"status":422,"body":"x"}"#,
    #"{"status":"201","body":"x"}"#, #"{"status":201,"body":{}}"#, #"{"status":201,"body":"x","payment_id":"7"}"#,
  ])
  func `anything else is an error and no answer`(text: String) {
    let error = #expect(throws: GatewayStoreError.self) { try KeptResponse(reading: Array(text.utf8)) }
    #expect(error?.code == .internal)
  }
}
