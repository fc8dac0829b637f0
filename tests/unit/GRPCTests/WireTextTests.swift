import Testing
import Values

@testable import GRPC

struct WireTextTests {
  @Test(arguments: [
    ("1H", Duration.seconds(3_600)), ("2M", .seconds(120)), ("3S", .seconds(3)), ("4m", .milliseconds(4)),
    ("5u", .microseconds(5)), ("6n", .nanoseconds(6)), ("0S", .zero), ("99999999S", .seconds(99_999_999)),
    ("00000001S", .seconds(1)),
  ])
  func readsTimeouts(_ text: String, _ expected: Duration) {
    #expect(WireText.timeout(text.utf8) == expected)
  }

  @Test(arguments: ["", "S", "1", "1s", "1h", "123456789S", "-1S", "+1S", "1.5S", " 1S", "1S ", "0x1S"])
  func refusesMalformedTimeouts(_ text: String) {
    #expect(WireText.timeout(text.utf8) == nil)
  }

  @Test(arguments: [
    (Duration.zero, "0n"), (.nanoseconds(99_999_999), "99999999n"), (.milliseconds(100), "100000u"),
    (.seconds(10), "10000000u"), (.seconds(100), "100000m"), (.seconds(1_000_000), "1000000S"), (.seconds(-1), "0n"),
  ])
  func writesTimeoutsInTheFinestUnitThatFits(_ duration: Duration, _ expected: String) {
    #expect(WireText.timeout(duration) == expected)
    #expect((WireText.timeout(expected.utf8) ?? .zero) >= duration)
  }

  @Test func percentEncodesUpperCaseAndKeepsPrintableASCII() {
    let encoded = String(decoding: WireText.percentEncode("a b%~\n\u{7F}ï🙂"), as: UTF8.self)
    #expect(encoded == "a b%25~%0A%7F%C3%AF%F0%9F%99%82")
    #expect(WireText.percentDecode(encoded.utf8) == "a b%~\n\u{7F}ï🙂")
  }

  @Test func keepsBrokenEscapesAsTheyAre() {
    #expect(WireText.percentDecode("100%".utf8) == "100%")
    #expect(WireText.percentDecode("%4".utf8) == "%4")
    #expect(WireText.percentDecode("%zz%41".utf8) == "%zzA")
  }

  @Test(arguments: [
    ("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE"),
    ("foobar", "Zm9vYmFy"),
  ])
  func base64OfRFC4648(_ plain: String, _ text: String) {
    #expect(Base64.encode(Array(plain.utf8)) == Array(text.utf8))
    #expect(Base64.decode(text.utf8) == Array(plain.utf8))
    let padded = text + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
    #expect(Base64.decode(padded.utf8) == Array(plain.utf8))
  }

  @Test(arguments: ["A", "Zg=", "Zh", "Zg===", "Z g", "Zm9v=", "####", "=", "Zm9vY"])
  func refusesWhatIsNotBase64(_ text: String) {
    #expect(Base64.decode(text.utf8) == nil)
  }

  @Test func metadataKeepsOrderAndBytes() {
    var metadata: Metadata = ["a": "1", "b": "2"]
    metadata.add("a", "3")
    metadata.add("x-bin", bytes: [0, 255])
    #expect(metadata["a"] == "1")
    #expect(metadata["none"] == nil)
    #expect(metadata.all("a") == [Array("1".utf8), Array("3".utf8)])
    #expect(metadata.all("x-bin") == [[0, 255]])
    #expect(metadata.map(\.name) == ["a", "b", "a", "x-bin"])
  }
}
