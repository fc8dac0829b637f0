import DirectDomain
import Money
import Testing
import Values

@testable import GatewayDomain

@Suite struct SurfaceOutputTests {
  private static let created = Timestamp("2026-11-26T05:14:41.776Z")!
  private static let id = UniqueID("0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e10")!
  private static let user = UniqueID("0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e11")!
  private let output: SurfaceOutput

  init() {
    var topics = SurfaceTopics()
    (topics.payments, topics.results, topics.statuses) = ("payments", "paymentsResults", "status-payments")
    output = SurfaceOutput(topics)
  }

  private func payment(
    _ origin: PaymentOrigin?, _ minorUnits: Int64 = 1950, _ currency: String = "USD"
  ) -> GatewayPayment {
    var payment = GatewayPayment(
      id: Self.id, standing: PaymentStanding(createdAt: Self.created), userID: Self.user,
      payeeID: UniqueID(high: 2, low: 2), apiKeyID: nil, source: .account(masked: "****0001"),
      amount: Money(minorUnits: minorUnits, Currency(currency)!), orderID: nil, externalID: nil, description: "a book",
      metadata: .empty, createdAt: Self.created)
    payment.origin = origin
    return payment
  }

  private func standing(_ state: PaymentState, _ version: Int64, after seconds: Double) -> PaymentStanding {
    PaymentStanding(
      state: state, reason: nil, version: version, since: Self.created + .milliseconds(Int(seconds * 1_000)))
  }

  private let payments = PaymentsDetails(user: "ann", account: "10000000001", note: "mine").origin
  private let transactions = TransactionsDetails(userNumber: 7, userName: "Юрий", coin: 19, account: "7").origin

  private func shown(_ payment: GatewayPayment) throws -> SurfacePayment { try #require(try SurfacePayment(payment)) }

  private func texts(_ messages: [SurfaceMessage]) -> [String] {
    messages.map { "\($0.topic) \($0.typeID ?? "-") \(String(decoding: $0.payload, as: UTF8.self))" }
  }

  /// The moments as this machine's clock has them.
  private var local: String { Self.created.localTime(decimals: true) }

  @Test func `one message serves the readers of two systems`() throws {
    let view =
      #"{"paymentId":"\#(Self.id)","userId":"ann","created":"\#(local)","processed":null,"state":"pending","#
      + #""accountNumber":"10000000001","amount":19.5,"description":"a book","extPaymentDetails":"mine""#
    let rest =
      #","id":"\#(Self.id)","money":{"id":"\#(Self.id)","amount":19,"currency":"USD"},"#
      + #""user":{"id":7669295645228561,"userName":"ann"},"createDate":"\#(local.prefix(19))"}"#
    let messages = output.created(try shown(payment(payments)))
    #expect(
      texts(messages) == ["payments com.mycompany.userservice.src.model.kafka.PaymentDTO \(view)\(rest)"])
  }

  @Test func `a payment of transactions shows its user by number and name`() throws {
    let message = texts(output.created(try shown(payment(transactions))))[0]
    #expect(message.contains(#""userId":"\#(Self.user)""#) && message.contains(#""accountNumber":"7""#))
    #expect(message.contains(#""money":{"id":"\#(Self.id)","amount":19,"currency":"USD"}"#))
    #expect(message.contains(#""user":{"id":7,"userName":"Юрий"}"#))
  }

  @Test func `readers of payments hear of the end`() throws {
    let shown = try shown(payment(payments))
    #expect(output.changed(shown, to: standing(.processing, 2, after: 1)).isEmpty)
    #expect(output.changed(shown, to: standing(.unknown, 3, after: 2)).isEmpty)
    let messages = output.changed(shown, to: standing(.completed, 4, after: 2.6))
    let processed = (Self.created + .milliseconds(2_600)).localTime(decimals: true)
    #expect(
      texts(messages) == [
        #"paymentsResults - {"paymentId":"\#(Self.id)","userId":"ann","created":"\#(local)","processed":"\#(processed)","#
          + #""state":"completed","accountNumber":"10000000001","amount":19.5,"description":"a book","#
          + #""extPaymentDetails":"Payment processed in 3 seconds"}"#
      ])
    for state in [PaymentState.rejected, .error] {
      let text = texts(output.changed(shown, to: standing(state, 4, after: 0.2)))[0]
      #expect(text.contains(#""state":"rejected""#) && text.contains("Payment rejected after 0 seconds"))
    }
  }

  @Test func `readers of transactions hear of every word`() throws {
    var shown = try shown(payment(transactions))
    var heard: [String] = []
    let states: [PaymentState] = [.processing, .review, .unknown, .completed]
    for (index, state) in states.enumerated() {
      let next = standing(state, Int64(index) + 2, after: 1)
      heard += texts(output.changed(shown, to: next))
      shown.payment.standing = next
    }
    let type = "com.mycompany.userservice.src.model.kafka.StatusPaymentDTO"
    #expect(
      heard
        == ["PROCESSING", "COMPLETED"].map {
          #"status-payments \#(type) {"paymentId":"\#(Self.id)","statusPayment":"\#($0)"}"#
        })
  }

  @Test func `nobody reads of cards and of v1`() throws {
    #expect(try SurfacePayment(payment(nil)) == nil)
    let shown = try shown(payment(CardsDetails(holder: "N N").origin))
    #expect(output.created(shown).isEmpty && output.changed(shown, to: standing(.completed, 2, after: 1)).isEmpty)
    #expect(!PaymentOrigin.Surface.cards.hasReaders && PaymentOrigin.Surface.payments.hasReaders)
  }

  @Test(arguments: [
    (Int64(1), "USD", "0.01"), (100, "USD", "1.0"), (120, "USD", "1.2"), (1999, "JPY", "1999.0"),
    (1_000, "KWD", "1.0"), (1_234, "KWD", "1.234"), (999_999_999_999_999, "USD", "9999999999999.99"),
  ]) func `an amount is printed as Python prints it`(_ units: Int64, _ currency: String, _ expected: String) {
    var bytes: [UInt8] = []
    ShortDecimal(money: Money(minorUnits: units, Currency(currency)!)).appendJSON(to: &bytes)
    #expect(String(decoding: bytes, as: UTF8.self) == expected)
  }

  @Test func `a whole part fits into 32 bits`() throws {
    let message = texts(output.created(try shown(payment(payments, 999_999_999_999_999))))[0]
    #expect(message.contains(#""amount":2147483647,"#) && message.contains(#""amount":9999999999999.99,"#))
  }

  @Test func `details survive being kept`() throws {
    let name = "a\"b\\ü\u{1F600}"
    let kept = payment(PaymentsDetails(user: name, account: name, note: nil).origin)
    #expect(try shown(kept).details == .payments(PaymentsDetails(user: name, account: name, note: nil)))
    #expect(
      try shown(payment(transactions)).details
        == .transactions(
          TransactionsDetails(userNumber: 7, userName: "Юрий", coin: 19, account: "7")))
    #expect(throws: JSONError.self) { try SurfacePayment(payment(PaymentOrigin(.payments, details: Array("[]".utf8)))) }
  }
}
