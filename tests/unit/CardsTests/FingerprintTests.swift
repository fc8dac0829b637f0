import Cards
import Testing

@Suite struct FingerprintTests {
  private static let first = String(repeating: "0b", count: 32)
  private static let second = String(repeating: "aa", count: 40)

  @Test func `the first key signs, all match`() throws {
    let card = try PaymentCard(details(), at: noon)
    let keys = try CardFingerprintKeys("a:\(Self.first),b:\(Self.second)")
    let all = card.allFingerprints(keys)
    #expect(all.count == 2 && all[0] == card.fingerprint(keys) && all[0] != all[1])
    let turned = try CardFingerprintKeys("b:\(Self.second.uppercased()),a:\(Self.first)")
    #expect(card.allFingerprints(turned) == all.reversed())
    // By Python: hmac.new(b"\x0b" * 32, b"4242424242424242", "sha256").
    let hex = all[0].map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    #expect(hex == "6459826698ad3f64fddacc058adcbe982f37175246ae6390b6dd58302881b505")
    #expect("\(keys)" == "a, b")
  }

  @Test(arguments: [
    ("", "key 1 is not written as ID:HEXKEY"), ("a", "key 1 is not written as ID:HEXKEY"),
    (":\(first)", "the id of key 1 is not 1 to 32 letters, digits, _ and -"),
    ("ä:\(first)", "the id of key 1 is not 1 to 32 letters, digits, _ and -"),
    ("a:\(first),", "key 2 is not written as ID:HEXKEY"),
    ("a:\(first),a:\(second)", "key 2 has the id of an earlier one"),
    ("a:\(first)0", "key 1 is no even number of hex digits"), ("a:\(first)zz", "key 1 is no even number of hex digits"),
    ("a:\(first.dropLast(2))", "key 1 must have 32 to 256 bytes, which is 64 to 512 hex digits"),
  ])
  func `what holds no keys is refused without showing one`(text: String, message: String) {
    let error = #expect(throws: CardFingerprintKeys.Fault.self) { try CardFingerprintKeys(text) }
    #expect(error?.description == message)
  }
}
