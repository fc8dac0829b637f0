import GatewayDomain
import Money
import Testing
import Values

@testable import Cards
@testable import GatewaySurfaces

@Suite struct CardsRequestTests {
  private let reader = CardsRequest(merchant: UniqueID(high: 7, low: 7), currency: Currency("USD")!)
  private static let user = "0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e11"

  private func read(_ body: String) -> Result<PaymentRequest, CardsFault> {
    var user: UniqueID?
    do throws(CardsFault) {
      return .success(try reader.read(Array(body.utf8), user: &user))
    } catch {
      return .failure(error)
    }
  }

  private func body(_ number: String = "1111222233334444", _ cvv: String = "123", _ amount: String = "999.99") -> String
  {
    #"{"user_id":"\#(Self.user)","amount":\#(amount),"card_number":\#(number),"card_holder_name":"NAME NAME","cvv":\#(cvv)}"#
  }

  private func secrets(_ request: PaymentRequest) -> String? {
    request.card?.withSecrets { number, cvv in
      number.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } + " "
        + cvv.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }
  }

  @Test(arguments: [
    ("1111222233334444", "123", "1111222233334444 123"), ("\"1111222233334444\"", "\"123\"", "1111222233334444 123"),
    ("4242424242424242", "7", "4242424242424242 007"), ("\"4242424242424242\"", "0", "4242424242424242 000"),
    ("378282246310005", "1234", "378282246310005 1234"),
  ]) func `numbers and texts of digits are taken`(_ number: String, _ cvv: String, _ expected: String) throws {
    let request = try read(body(number, cvv)).get()
    #expect(secrets(request) == expected)
    #expect("\(request.amount)" == "999.99 USD" && request.userID.description == Self.user)
    #expect(request.card?.holder == "NAME NAME" && request.card?.expMonth == nil)
  }

  @Test(arguments: [
    ("4242424242424241", "123", "1", "card_number is no card number: its last digit does not fit the others"),
    ("4.242e15", "123", "1", "card_number must consist of the digits 0 to 9"),
    ("-4242424242424242", "123", "1", "card_number must consist of the digits 0 to 9"),
    ("{}", "123", "1", "card_number: expected a number or a string, found an object"),
    ("null", "123", "1", "card_number is missing"),
    ("4242424242424242", "\"7\"", "1", "cvv has a wrong number of digits for a card of this brand"),
    ("4242424242424242", "null", "1", "cvv is missing"),
    ("4242424242424242", "123", "0", "amount: expected an amount above zero"),
    ("4242424242424242", "123", "1.001", "amount: USD has 2 decimals"),
    ("4242424242424242", "123", "true", "amount: expected a number"),
  ]) func `a wrong field is named, and its value is not`(
    _ number: String, _ cvv: String, _ amount: String, _ expected: String
  ) {
    #expect(read(body(number, cvv, amount)) == .failure(CardsFault(message: expected)))
  }

  @Test func `the user of a refused request is known`() {
    var user: UniqueID?
    #expect(throws: CardsFault.self) {
      try reader.read(Array(#"{"user_id":"\#(Self.user)","amount":"#.utf8), user: &user)
    }
    #expect(user?.description == Self.user)
  }

  @Test func `truncation at every place is refused`() {
    let text = Array(body().utf8)
    var user: UniqueID?
    for count in text.indices {
      #expect(throws: CardsFault.self) { try reader.read(Array(text[..<count]), user: &user) }
    }
  }
}

extension Result where Success == PaymentRequest, Failure == CardsFault {
  fileprivate static func == (left: Self, right: Self) -> Bool {
    switch (left, right) {
    case (.failure(let left), .failure(let right)): left == right
    default: false
    }
  }
}
