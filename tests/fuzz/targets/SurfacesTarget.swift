import DirectDomain
import GatewayDomain
import GatewaySurfaces
import HTTPServer
import Money
import UserNames
import Values

/// A body of each POST of the four surfaces.
///
/// What is refused is told in JSON, without digits of the input where it may be a card. What is taken is kept and told
/// to readers of the older systems as JSON, and can be read again.
enum SurfacesTarget {
  private static let merchant = UniqueID(high: 9, low: 9)
  private static let currency = Currency("USD")!  // in the list of currencies
  private static let output: SurfaceOutput = {
    var topics = SurfaceTopics()
    (topics.payments, topics.results, topics.statuses) = ("payments", "paymentsResults", "status-payments")
    return SurfaceOutput(topics)
  }()

  static func run(_ input: [UInt8]) throws(FuzzFinding) {
    if let request = try cards(input) { try check(request) }
    if let request = try payments(input) { try check(request) }
    if let request = try transactions(input) { try check(request) }
    try demo(input)
  }

  private static func cards(_ input: [UInt8]) throws(FuzzFinding) -> PaymentRequest? {
    var user: UniqueID?
    let fault: CardsFault
    do throws(CardsFault) {
      return try CardsRequest(merchant: merchant, currency: currency).read(input, user: &user)
    } catch {
      fault = error
    }
    let digits = fault.message.utf8.split { !(0x30...0x39).contains($0) }
    // The largest amount is ours.
    try require(digits.allSatisfy { $0.count < 6 || $0.elementsEqual("9999999999999".utf8) }, "a fault shows digits")
    return nil
  }

  private static func payments(_ input: [UInt8]) throws(FuzzFinding) -> PaymentRequest? {
    let errors: FieldErrors
    do throws(FieldErrors) {
      return try PaymentsRequest(merchant: merchant, currency: currency).read(input)
    } catch {
      errors = error
    }
    try requireJSON(errors.body, "what is wrong")
    return nil
  }

  private static func transactions(_ input: [UInt8]) throws(FuzzFinding) -> PaymentRequest? {
    let wanted: TransactionsRequest
    do throws(TransactionsFault) {
      wanted = try TransactionsRequest(input)
    } catch {
      try require(error.response.status == 400, "a body that is refused with \(error.response.status)")
      try requireJSON(error.response.body, "what is wrong")
      return nil
    }
    try require(TransactionsRequest.amounts.contains(wanted.coin), "a coin out of its range")
    guard let amount = AmountUnit.major.money(wanted.coin, wanted.currency) else {
      throw FuzzFinding("a coin that is no amount")
    }
    let (name, account) = (wanted.user.text, PaymentRequest.Source.account(number: wanted.user.text))
    let details = TransactionsDetails(userNumber: 1, userName: name, coin: wanted.coin, account: name)
    // An account's number has other characters than a name may have.
    return try? PaymentRequest(
      from: details.origin, userID: wanted.user.userID, merchant: merchant, source: account, amount: amount)
  }

  private static func demo(_ input: [UInt8]) throws(FuzzFinding) {
    try demo { () throws(DemoFault) in _ = try DemoDraft.user(input, type: nil).record(merchant) }
    try demo { () throws(DemoFault) in _ = try DemoDraft.method(input, type: nil).record(merchant) }
    var found: DemoRequest?
    try demo { () throws(DemoFault) in
      let draft = try DemoDraft.request(input, type: nil)
      found = draft.record(draft.id ?? merchant)
    }
    guard let request = found else { return }
    // What is told to readers and to risk is the same, and is read again as it was.
    let told = JSONWriter.object { request.add(to: &$0) }
    let again: DemoRequest
    do throws(DemoFault) {
      again = try DemoDraft.request(told, type: "application/json").record(request.id)
    } catch {
      throw FuzzFinding("what is told of a request is refused: \(String(decoding: told, as: UTF8.self))")
    }
    try require(again == request, "what is told of a request reads as \(again)")
    guard case .score(request.scoring)? = try? DirectMessage(request.scoring.payload()) else {
      throw FuzzFinding("risk reads another request")
    }
  }

  private static func demo(_ read: () throws(DemoFault) -> Void) throws(FuzzFinding) {
    do throws(DemoFault) {
      try read()
    } catch {
      try require(error.response.status == 422, "a body that is refused with \(error.response.status)")
      try requireJSON(error.response.body, "what is wrong")
    }
  }

  private static func check(_ request: PaymentRequest) throws(FuzzFinding) {
    try require((1...PaymentRequest.maximumAmount).contains(request.amount.minorUnits), "an amount out of its range")
    var payment = GatewayPayment(request, apiKeyID: nil, at: Timestamp(microseconds: 1_790_000_000_000_000))
    let found = try? SurfacePayment(payment)
    guard let shown = found ?? nil else { throw FuzzFinding("what is kept of a payment cannot be read again") }
    let standing = PaymentStanding(state: .completed, reason: nil, version: 2, since: payment.createdAt + .seconds(1))
    let messages = output.created(shown) + output.changed(shown, to: standing)
    for message in messages { try requireJSON(message.payload, "a message") }
    payment.standing = standing
    guard case .payments(let details) = shown.details else { return }
    try require(PaymentsView(payment, details).json() == messages.last?.payload, "an answer unlike its message")
  }

  private static func requireJSON(_ text: [UInt8], _ what: String) throws(FuzzFinding) {
    do throws(JSONError) {
      var scanner = try JSONScanner(text, maximumBytes: 1 << 20)
      try scanner.beginObject()
      while try scanner.nextKey() != nil { try scanner.skipValue() }
      try scanner.end()
    } catch {
      throw FuzzFinding("\(what) is no JSON: \(error)")
    }
  }
}
