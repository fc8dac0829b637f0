import GatewayDomain
import Testing
import Values

let merchant = UniqueID("0000000a-0000-4000-8000-00000000000a")!
/// 2026-11-26T12:00:00Z.
let noon = Timestamp("2026-11-26T12:00:00.000000Z")!

/// The parts of a request, each as JSON text, so that a test can put anything in their place.
struct Body {
  var fields: [String: String] = [
    "user_id": #""11111111-1111-4111-8111-111111111111""#, "payee_id": #""22222222-2222-4222-8222-222222222222""#,
    "method": #"{"type":"account","number":"40817810099910004312"}"#, "amount": "1999", "currency": #""EUR""#,
  ]

  /// With other parts; nil leaves a part out.
  init(_ others: [String: String?] = [:]) {
    for (name, value) in others { fields[name] = value }
  }

  /// A card payment.
  static func card(_ others: [String: String?] = [:]) -> Body {
    var card = [
      "number": #""4242424242424242""#, "exp_month": "12", "exp_year": "2030", "cvv": #""123""#,
      "holder": #""A PERSON""#,
    ]
    for (name, value) in others { card[name] = value }
    return Body(["method": #"{"type":"card","card":{\#(text(card))}}"#])
  }

  private static func text(_ fields: [String: String]) -> String {
    fields.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",")
  }

  var text: String { "{\(Self.text(fields))}" }

  func read() throws(RequestFault) -> PaymentRequest { try Self.read(text) }

  static func read(_ text: String) throws(RequestFault) -> PaymentRequest {
    try PaymentRequest(Array(text.utf8), rules: PaymentRequest.Rules(merchant: merchant), now: noon)
  }
}

/// The fault of a text.
func refusal(of text: String, _ location: SourceLocation = #_sourceLocation) -> RequestFault? {
  do throws(RequestFault) {
    _ = try Body.read(text)
    Issue.record("it was taken", sourceLocation: location)
    return nil
  } catch {
    return error
  }
}
