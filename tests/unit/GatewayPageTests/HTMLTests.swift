import Testing
import Values

@testable import GatewayPage

@Suite struct HTMLTests {
  @Test func textIsEscapedAndMarkupIsNot() {
    let name = "<script>alert(1)</script> & \"it's\""
    let bold: HTML = "<b>\(name)</b>"
    let whole: HTML = "<p title=\"\(name)\">\(bold)\([bold, bold])</p>"
    let escaped = "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;it&#39;s&quot;"
    #expect(bold.text == "<b>\(escaped)</b>")
    #expect(whole.text == "<p title=\"\(escaped)\"><b>\(escaped)</b><b>\(escaped)</b><b>\(escaped)</b></p>")
  }

  @Test func hiddenCharactersAreShown() {
    let reversed: HTML = "\("a\u{202E}b\u{0}c")"
    #expect(reversed.text == "a\\u202eb\\u0000c")
  }

  @Test func numbersAndIDsStandAsTheyAre() {
    let html: HTML = "\(42) \(UniqueID(high: 0, low: 1))"
    #expect(html.text == "42 00000000-0000-0000-0000-000000000001")
    #expect(HTML.all(["a", "<b>"]).text == "a<b>")
    #expect((nil as HTML?).orNothing == .nothing)
  }
}

@Suite struct LanguageTests {
  @Test(arguments: [
    (nil, Language.russian), ("", .russian), ("de", .russian), ("en", .english), ("ru", .russian),
    ("en-US,en;q=0.9", .english), ("ru-RU,ru;q=0.9,en;q=0.8", .russian), ("en;q=0.4,ru;q=0.5", .russian),
    ("ru;q=0,en;q=0.1", .english), ("de,en;q=0.3,*;q=0.2", .english), ("*", .russian), ("en;q=2", .russian),
    ("en;x=1", .russian), ("en;q=0.1234", .russian), ("EN ; q=0.5", .english), (",,;;=", .russian),
  ])
  func theBestOfOurs(_ header: String?, _ expected: Language) {
    #expect(Language(accepting: header, standard: .russian) == expected)
  }
}
