import Cards
import DirectDomain
import GatewayDomain
import Money
import Values

/// A body of `POST /v1/payments`; behind a question mark the parameters of a list, `name=value&name=value`.
///
/// What is refused names a field of ours and shows nothing of the input. What is taken is one request, however it was
/// spelled, and shows no card number.
enum RequestsTarget {
  private static let merchant = UniqueID(high: 9, low: 9)
  private static let now = Timestamp(microseconds: 1_790_000_000_000_000)
  /// Digits that faults show.
  private static let known = ["999999999999999"]

  static func run(_ input: [UInt8]) throws(FuzzFinding) {
    if input.first == UInt8(ascii: "?") { return try list(String(decoding: input.dropFirst(), as: UTF8.self)) }
    let request: PaymentRequest
    do throws(RequestFault) {
      request = try read(input)
    } catch {
      return try check(error, input)
    }
    try require((1...PaymentRequest.maximumAmount).contains(request.amount.minorUnits), "an amount out of its range")
    try require(request.userID != request.payeeID, "the payer pays himself")
    try require(request.orderID.map { $0 > 0 } ?? true, "an order below one")
    try checkCanonical(request)
    try checkShown(request)
  }

  private static func read(_ body: [UInt8]) throws(RequestFault) -> PaymentRequest {
    try PaymentRequest(body, rules: PaymentRequest.Rules(merchant: merchant), now: now)
  }

  /// Of what the caller wrote no run of digits is shown, and of his names only what looks like one of ours.
  private static func check(_ fault: RequestFault, _ input: [UInt8]) throws(FuzzFinding) {
    try require((400...422).contains(fault.status), "a fault with the status \(fault.status)")
    let isName = { (byte: UInt8) in
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".")
    }
    // `last4` and the like are no fields of requests.
    try require(fault.field?.utf8.allSatisfy(isName) ?? true, "a field's name shows more than a name")
    let isDigit = { (byte: UInt8) in (0x30...0x39).contains(byte) }
    for run in Array(fault.description.utf8).split(whereSeparator: { !isDigit($0) }) where run.count >= 6 {
      let text = String(decoding: run, as: UTF8.self)
      try require(known.contains(text), "a fault shows the digits \(text)")
    }
  }

  /// The canonical form is a request itself, unless it is of a card: the same one.
  private static func checkCanonical(_ request: PaymentRequest) throws(FuzzFinding) {
    guard request.card == nil else { return }
    let canonical = request.canonical(cardFingerprint: nil)
    let again: PaymentRequest
    do throws(RequestFault) {
      again = try read(canonical)
    } catch {
      throw FuzzFinding("the canonical form is refused: \(error)")
    }
    try require(again.canonical(cardFingerprint: nil) == canonical, "the canonical form is no fixed point")
  }

  /// What is kept and answered is JSON, and has nothing of a card's number but its end.
  private static func checkShown(_ asked: PaymentRequest) throws(FuzzFinding) {
    var request = asked
    if case .saved(let id) = asked.source {
      // As the gateway does: what was asked for stays the same request.
      request = asked.paid(with: SavedMethod(id: id, userID: asked.userID, source: .token("tok_1")))
      try require(
        request.canonical(cardFingerprint: nil) == asked.canonical(cardFingerprint: nil),
        "another request once looked up")
    }
    let payment = GatewayPayment(request, apiKeyID: nil, at: now)
    let json = payment.json()
    do throws(JSONError) {
      var scanner = try JSONScanner(json, maximumBytes: 1 << 20)
      try scanner.beginObject()
      while try scanner.nextKey() != nil { try scanner.skipValue() }
      try scanner.end()
    } catch {
      throw FuzzFinding("a payment is shown as no JSON: \(error)")
    }
    var metadata: [UInt8] = []
    request.metadata.appendJSON(to: &metadata)
    try require((try? PaymentMetadata(stored: metadata)) == request.metadata, "metadata does not survive the table")
    guard let card = request.card else { return }
    let number = card.withSecrets { number, _ in number.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
    // The caller's own ids may be any digits.
    guard !"\(request.orderID ?? 0) \(request.externalID ?? "")".contains(number) else { return }
    let shown = String(decoding: json + request.canonical(cardFingerprint: [1, 2]), as: UTF8.self)
    try require(!shown.contains(number), "a card's number is shown")
  }

  private static func list(_ query: String) throws(FuzzFinding) {
    let items = query.split(separator: "&").map { item in
      let parts = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      return (name: String(parts[0]), value: parts.count > 1 ? String(parts[1]) : "")
    }
    let filter: PaymentFilter
    do throws(RequestFault) {
      filter = try PaymentFilter(items)
    } catch {
      try require(error.status == 400, "a parameter with the status \(error.status)")
      return try require(error.field.map(PaymentFilter.parameters.contains) ?? true, "a name that no parameter has")
    }
    try require((1...PaymentFilter.maximumLimit).contains(filter.limit), "a page of \(filter.limit)")
    if let after = filter.after { try require(PaymentCursor(after.text) == after, "a cursor that is none") }
    if let first = filter.ids.first, let end = filter.ids.end, filter.after == nil {
      try require(first <= end, "ids run backwards")
    }
  }
}
