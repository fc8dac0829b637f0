import Cards
import Testing

@Suite struct FingerprintTests {
  private static let first = String(repeating: "0b", count: 31) + "0c"
  private static let second = String(repeating: "ac", count: 39) + "bd"

  private static let repeated = "key 1 is one byte again and again, as in an example: draw a random one"

  @Test func `the first key signs, all match`() throws {
    let card = try PaymentCard(details(), at: noon)
    let keys = try CardFingerprintKeys("a:\(Self.first),b:\(Self.second)")
    let all = card.allFingerprints(keys)
    #expect(all.count == 2 && all[0] == card.fingerprint(keys) && all[0] != all[1])
    let turned = try CardFingerprintKeys("b:\(Self.second.uppercased()),a:\(Self.first)")
    #expect(card.allFingerprints(turned) == all.reversed())
    // By Python: hmac.new(b"\x0b" * 31 + b"\x0c", b"4242424242424242", "sha256").
    let hex = all[0].map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    #expect(hex == "eb6f970379feea66a0e263dfbef306e11ea3098642537c821f42232261654f90")
    #expect("\(keys)" == "a, b")
  }

  @Test(arguments: [
    ("", "key 1 is not written as ID:HEXKEY"), ("a", "key 1 is not written as ID:HEXKEY"),
    (":\(first)", "the id of key 1 is not 1 to 32 letters, digits, _ and -"),
    ("ä:\(first)", "the id of key 1 is not 1 to 32 letters, digits, _ and -"),
    ("a:\(first),", "key 2 is not written as ID:HEXKEY"),
    ("a:\(first),a:\(second)", "key 2 has the id of an earlier one"),
    ("a:\(first)0", "key 1 is no even number of hex digits"), ("a:\(first)zz", "key 1 is no even number of hex digits"),
    ("a:\(String(repeating: "0", count: 64))", Self.repeated),
    ("a:\(String(repeating: "5A", count: 40))", Self.repeated),
    ("a:\(first.dropLast(2))", "key 1 must have 32 to 256 bytes, which is 64 to 512 hex digits"),
  ])
  func `what holds no keys is refused without showing one`(text: String, message: String) {
    let error = #expect(throws: CardFingerprintKeys.Fault.self) { try CardFingerprintKeys(text) }
    #expect(error?.description == message)
  }
}
