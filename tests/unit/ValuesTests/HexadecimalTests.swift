import Testing
import Values

@Suite struct HexadecimalTests {
  @Test func `bytes and their digits, as Python's bytes.hex has them`() {
    #expect(Hexadecimal.text([0, 1, 0x9A, 0xBC, 0xFF]) == "00019abcff" && Hexadecimal.text([]) == "")
    #expect(Hexadecimal.bytes("00019ABCff".utf8) == [0, 1, 0x9A, 0xBC, 0xFF] && Hexadecimal.bytes("".utf8) == [])
    for byte in UInt8.min...UInt8.max { #expect(Hexadecimal.bytes(Hexadecimal.text([byte]).utf8) == [byte]) }
  }

  @Test(arguments: ["0", "abc", "0g", "+f", "0x", " 1", "\u{661}1", "1-"])
  func `what are no digits by twos`(text: String) { #expect(Hexadecimal.bytes(text.utf8) == nil) }
}
