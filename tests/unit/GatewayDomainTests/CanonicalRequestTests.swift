import Testing
import Values

@testable import GatewayDomain

@Suite("The canonical form of a request")
struct CanonicalRequestTests {
  private func canonical(_ text: String, card: [UInt8]? = nil) throws -> String {
    String(decoding: try Body.read(text).canonical(cardFingerprint: card), as: UTF8.self)
  }

  @Test func `it is one text`() throws {
    let text = try canonical(
      Body([
        "order_id": "7", "metadata": #"{"b":"2","a":"1"}"#, "description": #""x""#, "external_id": #""e""#,
      ]).text)
    #expect(
      text == #"{"amount":1999,"currency":"EUR","description":"x","external_id":"e","metadata":{"a":"1","b":"2"},"#
        + #""method":{"type":"account","number":"40817810099910004312"},"order_id":7,"#
        + #""payee_id":"22222222-2222-4222-8222-222222222222","user_id":"11111111-1111-4111-8111-111111111111"}"#)
  }

  @Test func `order, white space, spelling and nulls do not matter`() throws {
    let one = Body(["metadata": #"{"b":"2","a":"1"}"#]).text
    let other = """
      { "metadata" : {"a": "1", "\\u0062": "2"}, "currency":"EUR", "amount": "1999", "order_id": null,
        "method":{"number":"40817810099910004312","type":"\\u0061ccount"},
        "payee_id":"22222222-2222-4222-8222-222222222222", "user_id":"11111111-1111-4111-8111-111111111111" }
      """
    #expect(try canonical(one) == canonical(other))
    #expect(try canonical(Body(["metadata": "{}"]).text) == canonical(Body().text))
  }

  @Test(
    arguments: [
      ("amount", "2000"), ("currency", #""USD""#), ("description", #""x""#), ("external_id", #""x""#),
      ("metadata", #"{"a":"1"}"#), ("order_id", "1"), ("payee_id", nil),
      ("user_id", #""11111111-1111-4111-8111-111111111112""#), ("method", #"{"type":"account","number":"2"}"#),
      ("method", #"{"type":"token","token":"40817810099910004312"}"#),
    ] as [(String, String?)])
  func `everything that is asked for counts`(name: String, value: String?) throws {
    #expect(try canonical(Body([name: value]).text) != canonical(Body().text))
  }

  @Test func `a card is in it by its fingerprint`() throws {
    let fingerprint = Array(repeating: 0xAB as UInt8, count: 32)
    let text = try canonical(Body.card().text, card: fingerprint)
    #expect(text.contains(String(repeating: "ab", count: 32)))
    #expect(!text.contains("4242") && !text.contains("123"))
    #expect(try canonical(Body.card(["cvv": #""124""#]).text, card: fingerprint) == text)
    #expect(try canonical(Body.card(["exp_month": "11"]).text, card: fingerprint) != text)
    #expect(try canonical(Body.card(["holder": nil]).text, card: fingerprint) != text)
  }
}
