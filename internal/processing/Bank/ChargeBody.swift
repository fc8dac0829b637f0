internal import Cards
internal import HTTPClient
internal import Money
internal import Values

/// The body of a request to charge, in locked memory, zeroed at its end.
final class ChargeBody: HTTPClientBody {
  private let bytes: SecretBytes

  init(_ charge: BankCharge) {
    let open = Self.fields(charge)
    guard case .card(let card) = charge.source else {
      bytes = SecretBytes(copying: open.span.bytes)
      return
    }
    bytes = card.withSecrets { number, cvv in
      let parts: [StaticString] = [#","card_number":""#, #"","cvv":""#, #""}"#]
      let known = parts.reduce(0) { $0 + $1.utf8CodeUnitCount }
      // Without the bracket that closes the fields.
      let count = open.count - 1 + known + number.byteCount + cvv.byteCount
      return SecretBytes(count: count) { body in
        var writer = Writer()
        writer.write(open.span.bytes.extracting(droppingLast: 1), to: &body)
        writer.write(parts[0], to: &body)
        writer.write(number, to: &body)
        writer.write(parts[1], to: &body)
        writer.write(cvv, to: &body)
        writer.write(parts[2], to: &body)
      }
    }
  }

  var count: Int { bytes.count }

  func withBytes(_ body: (RawSpan) -> Void) { bytes.withBytes(body) }

  /// All fields but a card's number and CVV.
  private static func fields(_ charge: BankCharge) -> [UInt8] {
    JSONWriter.object(reserving: 512) { body in
      body.add("operation_id", charge.operationID)
      body.add("user_id", charge.userID)
      body.add("amount", MajorUnits(amount: charge.amount))
      body.add("currency", charge.amount.currency.code)
      switch charge.source {
      case .card(let card): if let holder = card.holder { body.add("card_holder_name", holder) }
      case .account(let number): body.add("account_number", number)
      case .token(let token): body.add("card_token", token)
      }
    }
  }

  private struct Writer {
    private var position = 0

    mutating func write(_ bytes: RawSpan, to body: inout MutableRawSpan) {
      for index in 0..<bytes.byteCount {
        body.storeBytes(
          of: bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self), toByteOffset: position, as: UInt8.self)
        position += 1
      }
    }

    mutating func write(_ text: StaticString, to body: inout MutableRawSpan) {
      write(RawSpan(_unsafeStart: text.utf8Start, byteCount: text.utf8CodeUnitCount), to: &body)
    }
  }
}

extension BankRefund {
  /// The body of the request.
  var body: [UInt8] {
    JSONWriter.object(reserving: 192) { body in
      body.add("refund_id", operationID)
      body.add("amount", MajorUnits(amount: amount))
      body.add("currency", amount.currency.code)
    }
  }
}

/// Money as a JSON number in major units, exact.
private struct MajorUnits: JSONRepresentable {
  let amount: Money

  func appendJSON(to bytes: inout [UInt8]) { bytes += amount.decimal.utf8 }
}
