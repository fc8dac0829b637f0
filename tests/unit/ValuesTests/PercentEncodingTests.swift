import Testing
import Values

@Suite struct PercentEncodingTests {
  @Test(arguments: [("", ""), ("plain", "plain"), ("%41%6a%6A", "Ajj"), ("a%2Fb%25", "a/b%"), ("%C3%BC ü", "ü ü")])
  func `bytes stand for themselves or two digits`(text: String, decoded: String) {
    #expect(PercentEncoding.decode(text) == Array(decoded.utf8))
  }

  @Test(arguments: ["%", "%4", "a%4", "%4g", "%%41", "% 41", "%+1"])
  func `a percent sign stands before two digits`(text: String) { #expect(PercentEncoding.decode(text) == nil) }
}
