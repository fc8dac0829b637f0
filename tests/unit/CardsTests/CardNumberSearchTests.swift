import Cards
import Randomness
import Testing

@Suite struct CardNumberSearchTests {
  @Test(arguments: [
    "4242424242424242", "pay with 4242424242424242, please", "4242 4242 4242 4242", "4242-4242-4242-4242",
    "4242  4242 - 4242 4242", "x4242424242424242y", "378282246310005", "3782 822463 10005",
    "order 12 4242 4242 4242 4242",
    "4242 4242 4242 4242 12/30 123", "30569309025904", "4222222222222", "6304000000000000000 4242424242424242",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 4242424242424242", "٣4242424242424242",
    "+4242424242424242", "49 151 12345678", "4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2",
  ])
  func `a card number is found`(text: String) { #expect(containsCardNumber(text.utf8)) }

  @Test(arguments: [
    "", "4242424242424241", "order 111", "1111222233334444", "42424242424242424242", "004242424242424242420",
    "4242\n4242 4242 4242", "4242    4242 4242 4242", "4242.4242.4242.4242", "424242424242424",
    "2026-11-26 14:30:00", "0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e10", "DE89 3704 0044 0532 0130 00",
    "DE89370400440532013000", "+49 151 12345678", "+4915112345678", "4006381333931", "5555555555554444000",
  ])
  func `other numbers are none`(text: String) { #expect(!containsCardNumber(text.utf8)) }

  @Test func `a long text costs a scan and no more`() {
    #expect(!containsCardNumber(repeatElement(UInt8(ascii: "4"), count: 100_000)))
    let groups = (0..<100_000).lazy.map { $0 % 2 == 0 ? UInt8(ascii: "9") : UInt8(ascii: " ") }
    #expect(!containsCardNumber(groups))
  }

  /// What the search says of random texts is what the rule says of each of their parts.
  @Test func `each part of a text is looked at`() {
    var random = SplitMix64(seed: 7)
    let alphabet = Array("0123456789444455 --+x".utf8)
    var found = 0
    for _ in 0..<3_000 {
      let text = (0..<random.draw(13...40)).map { _ in alphabet[random.draw(0...alphabet.count - 1)] }
      let expected = text.indices.contains { start in Self.holdsNumber(text, from: start) }
      #expect(containsCardNumber(text) == expected, "\(String(decoding: text, as: UTF8.self))")
      if expected { found += 1 }
    }
    #expect(found > 20)
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

  /// Whether a number begins here, by the words of the rule.
  private static func holdsNumber(_ text: [UInt8], from start: Int) -> Bool {
    guard isDigit(text[start]), start == 0 || !isDigit(text[start - 1]) else { return false }
    let isTelephone = start > 0 && text[start - 1] == UInt8(ascii: "+")
    return (start + 13...start + 73).contains { end in
      guard end <= text.count, isDigit(text[end - 1]), end == text.count || !isDigit(text[end]) else { return false }
      let part = text[start..<end]
      let gaps = part.split(whereSeparator: isDigit)
      guard gaps.allSatisfy({ $0.count <= 3 && $0.allSatisfy { $0 == 0x20 || $0 == 0x2D } }) else { return false }
      let number = String(decoding: part.filter(isDigit), as: UTF8.self)
      return (isTelephone && number.count <= 15) ? false : isCard(number)
    }
  }

  private static func isCard(_ number: String) -> Bool {
    guard (13...19).contains(number.count) else { return false }
    guard let card = try? PaymentCard(details(number, cvv: number.hasPrefix("3") ? "1234" : "123"), at: noon) else {
      return (try? PaymentCard(details(number), at: noon)).map { $0.brand != .unknown } ?? false
    }
    guard card.brand != .unknown else { return false }
    let weighed = number.utf8.enumerated().reduce(0) { $0 + Int($1.element - 0x30) * ($1.offset % 2 == 0 ? 1 : 3) }
    return number.count != 13 || weighed % 10 != 0
  }
}
