import Testing

@testable import Values

@Suite struct VisibleTextTests {
  @Test(arguments: [
    0x00...0x1F, 0x7F...0x9F, 0x61C...0x61C, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069,
  ])
  func hiddenCharactersAreEscaped(range: ClosedRange<Int>) throws {
    for value in range {
      let scalar = try #require(Unicode.Scalar(UInt32(value)))
      let digits = String(value, radix: 16)
      let escape = "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      #expect(VisibleText.escaped("a\(scalar)b") == "a\(escape)b")
    }
  }

  @Test(arguments: [
    "", "plain", "é ü 你好 😀 \u{A0}\u{61B}\u{61D}\u{200D}\u{2010}\u{2027}\u{202F}\u{2065}\u{206A}", "a\\u202eb",
    "\u{C2}\u{D8}",
  ])
  func otherTextStays(text: String) { #expect(VisibleText.escaped(text) == text) }

  /// Cut off or wrong at every place.
  @Test func bytesThatAreNoTextStayBytes() {
    for bytes: [UInt8] in [
      [0xC2], [0xE2], [0xE2, 0x80], [0xE2, 0x80, 0x41], [0xD8, 0x41], [0xFF, 0x80], [0xC2, 0xC2, 0xAE],
    ] {
      var shown: [UInt8] = []
      bytes.withUnsafeBufferPointer { VisibleText.append($0, to: &shown) }
      #expect(shown == bytes)
    }
  }

  @Test func asAJSONStringToo() {
    var bytes: [UInt8] = []
    JSONWriter.appendString("a\u{7F}\u{85}\u{202E}\u{61C}\n\u{1}é\"\\", to: &bytes)
    #expect(String(decoding: bytes, as: UTF8.self) == #""a\u007f\u0085\u202e\u061c\n\u0001é\"\\""#)
  }
}
