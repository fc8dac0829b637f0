import Cards
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
}
