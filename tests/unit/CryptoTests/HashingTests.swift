import Crypto
import Testing

/// Known answers: FIPS 180-4's examples (NIST) and all test cases of RFC 4231.
@Suite struct HashingTests {
  private func bytes(_ hex: String) -> [UInt8] {
    let digits = hex.compactMap { $0.hexDigitValue }
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  }

  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    (
      String(repeating: "a", count: 1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    ),
  ])
  func `SHA-256 gives the digests of FIPS 180-4`(text: String, digest: String) {
    #expect(SHA256.digest(of: Array(text.utf8).span.bytes) == bytes(digest))
    // The same in pieces, twice from one stream.
    var stream = SHA256Stream()
    for _ in 0..<2 {
      var rest = Array(text.utf8)[...]
      while !rest.isEmpty {
        stream.update(Array(rest.prefix(1_000)).span.bytes)
        rest = rest.dropFirst(1_000)
      }
      #expect(stream.finish() == bytes(digest))
    }
  }

  @Test(arguments: [
    (
      String(repeating: "0b", count: 20), "4869205468657265",
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    ),
    (
      "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    ),
    (
      String(repeating: "aa", count: 20), String(repeating: "dd", count: 50),
      "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
    ),
    (
      "0102030405060708090a0b0c0d0e0f10111213141516171819", String(repeating: "cd", count: 50),
      "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"
    ),
    (
      String(repeating: "aa", count: 131),
      "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579204669727374",
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    ),
    (
      String(repeating: "aa", count: 131),
      "5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b2d73697a65206b657920616e642061"
        + "206c6172676572207468616e20626c6f636b2d73697a6520646174612e20546865206b6579206e6565647320746f20626520686173"
        + "686564206265666f7265206265696e6720757365642062792074686520484d414320616c676f726974686d2e",
      "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"
    ),
  ])
  func `HMAC-SHA-256 gives the codes of RFC 4231`(key: String, text: String, code: String) {
    #expect(HMACSHA256.code(of: bytes(text).span.bytes, key: bytes(key).span.bytes) == bytes(code))
  }

  private func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    areEqualInConstantTime(left.span.bytes, right.span.bytes)
  }

  @Test func `equal are the same bytes and nothing else`() {
    let code: [UInt8] = [1, 2, 3]
    #expect(areEqual(code, [1, 2, 3]))
    for other: [UInt8] in [[1, 2, 4], [0, 2, 3], [1, 2], [1, 2, 3, 0], []] {
      #expect(!areEqual(code, other))
    }
    #expect(areEqual([], []))
  }
}
