import Testing
import Values

@Suite struct JSONScannerTests {
  private func scanner(_ text: String, maximumDepth: Int = 32) throws(JSONError) -> JSONScanner {
    try JSONScanner(Array(text.utf8), maximumBytes: 65_536, maximumDepth: maximumDepth)
  }

  @Test func readsTheInventoryMessage() throws {
    var scanner = try scanner(
      #" {"idempotent_key":"D978c560-fdba-4e84-b3f1-b570d8d95e4c", "order_id":111, "more":{"a":[1,{"b":null}]},"#
        + #""status":"COMPLETED","paid":false,"currency":null} "# + "\n")
    var id: UniqueID?
    var order: Int64?
    var status: String?
    var paid: Bool?
    try scanner.beginObject()
    while let key = try scanner.nextKey() {
      switch key {
      case "idempotent_key": id = try scanner.uniqueID()
      case "order_id": order = try scanner.integer()
      case "status": status = try scanner.string()
      case "paid": paid = try scanner.bool()
      case "currency": #expect(try scanner.null())
      default: try scanner.skipValue()
      }
    }
    try scanner.end()
    #expect(id == UniqueID("d978c560-fdba-4e84-b3f1-b570d8d95e4c"))
    #expect(order == 111 && status == "COMPLETED" && paid == false)
  }

  @Test func readsArrays() throws {
    var scanner = try scanner("[1, [], [ 2 ]]")
    var seen: [Int64] = []
    try scanner.beginArray()
    #expect(try scanner.nextElement())
    seen.append(try scanner.integer())
    #expect(try scanner.nextElement())
    try scanner.beginArray()
    #expect(try !scanner.nextElement())
    #expect(try scanner.nextElement())
    try scanner.beginArray()
    #expect(try scanner.nextElement())
    seen.append(try scanner.integer())
    #expect(try !scanner.nextElement())
    #expect(try !scanner.nextElement())
    try scanner.end()
    #expect(seen == [1, 2])
  }

  @Test(arguments: [
    ("0", 0), ("-0", 0), ("9223372036854775807", Int64.max), ("-9223372036854775808", .min), (" 42 ", 42), ("-1", -1),
  ])
  func readsIntegers(text: String, value: Int64) throws {
    var scanner = try scanner(text)
    #expect(try scanner.integer() == value)
    try scanner.end()
  }

  @Test(arguments: [
    ("9223372036854775808", JSONError.Code.integerOutOfRange), ("-9223372036854775809", .integerOutOfRange),
    ("99999999999999999999999", .integerOutOfRange), ("1.0", .notAnInteger), ("1e2", .notAnInteger),
    ("1E2", .notAnInteger), ("01", .unexpectedByte), ("-", .truncated), ("-x", .unexpectedByte),
    ("+1", .unexpectedByte), ("\"1\"", .wrongType), ("null", .wrongType), ("", .truncated), ("NaN", .unexpectedByte),
  ])
  func refusesWhatIsNoInteger(text: String, code: JSONError.Code) throws {
    var scanner = try scanner(text)
    #expect(throws: JSONError.self) { try scanner.integer() }
    scanner = try self.scanner(text)
    do { _ = try scanner.integer() } catch { #expect(error.code == code) }
  }

  @Test(arguments: [
    (#""""#, ""), (#""a\"\\\/\b\f\n\r\t""#, "a\"\\/\u{8}\u{C}\n\r\t"), (#""\u00e9\u0000""#, "é\0"),
    (#""\uD83D\ude00x""#, "😀x"), (#""é€😀""#, "é€😀"), (#""\u2028""#, "\u{2028}"),
  ])
  func readsStrings(text: String, value: String) throws {
    var scanner = try scanner(text)
    let read = try scanner.string()
    try scanner.end()
    #expect(Array(read.unicodeScalars) == Array(value.unicodeScalars))
  }

  @Test(arguments: [
    (#""\ud83d""#, JSONError.Code.invalidEscape), (#""\ude00""#, .invalidEscape), (#""\ud83d\ud83d""#, .invalidEscape),
    (#""\ud83dx""#, .invalidEscape), (#""\x""#, .invalidEscape), (#""\u12g4""#, .invalidEscape),
    (#""\u12"#, .truncated), (#""\"#, .truncated), (#""abc"#, .truncated), ("\"a\nb\"", .controlCharacter),
    ("\"\u{0}\"", .controlCharacter), ("'a'", .unexpectedByte), ("7", .wrongType),
  ])
  func refusesWhatIsNoString(text: String, code: JSONError.Code) throws {
    var scanner = try scanner(text)
    do {
      _ = try scanner.string()
      Issue.record("\(text) was taken")
    } catch { #expect(error.code == code) }
  }

  @Test(
    arguments: [
      [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xC2], [0xC2, 0x20], [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF],
      [0xED, 0xA0, 0x80],
      [0xEF, 0xBF], [0xF0, 0x80, 0x80, 0x80], [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80],
      [0xF5, 0x80, 0x80, 0x80], [0xFF],
    ] as [[UInt8]])
  func refusesWhatIsNotUTF8(bytes: [UInt8]) throws {
    let quote = UInt8(ascii: "\"")
    var scanner = try JSONScanner([quote] + bytes + [quote], maximumBytes: 100)
    do {
      _ = try scanner.string()
      Issue.record("\(bytes) was taken")
    } catch { #expect(error.code == .invalidUTF8) }
  }

  @Test func refusesAFieldThatAppearsTwiceHoweverItIsWritten() throws {
    var scanner = try scanner(#"{"order_id":1,"x":{"order_id":2},"order\u005fid":3}"#)
    try scanner.beginObject()
    do {
      while let key = try scanner.nextKey() {
        if key == "order_id" { _ = try scanner.integer() } else { try scanner.skipValue() }
      }
      Issue.record("a duplicate was taken")
    } catch {
      #expect(error.code == .duplicateField)
      #expect(error.description == "field \"order_id\" at byte 33: the field appears twice")
    }
  }

  @Test func aFieldThatEnclosesAnObjectIsReadOnceToo() throws {
    var scanner = try scanner(#"{"a":{"a":1},"a":2}"#)
    try scanner.beginObject()
    #expect(try scanner.nextKey() == "a")
    try scanner.beginObject()
    #expect(try scanner.nextKey() == "a")
    #expect(try scanner.integer() == 1)
    #expect(try scanner.nextKey() == nil)
    do {
      _ = try scanner.nextKey()
      Issue.record("a duplicate was taken")
    } catch { #expect(error.code == .duplicateField) }
  }

  @Test(arguments: [
    #""\ud800""#, #""\udfff\ud800 \ud83dx""#, #""\ud800\n""#, #"["\ud800\ud800",{"\udc00":null}]"#, "1e999",
    String(repeating: "[", count: 5_000) + String(repeating: "]", count: 5_000),
    "{" + (0..<400).map { #""f\#($0)":0"# }.joined(separator: ",") + "}", #"{"x":1,"x":2}"#,
  ])
  func passesOverWhateverIsGrammatical(value: String) throws {
    for text in [#"{"x":\#(value),"n":7,"x":\#(value)}"#, #"{"\ud800":\#(value),"n":7,"\ud800":\#(value)}"#] {
      var scanner = try scanner(text)
      var number: Int64?
      try scanner.beginObject()
      while let key = try scanner.nextKey() {
        if key == "n" { number = try scanner.integer() } else { try scanner.skipValue() }
      }
      try scanner.end()
      #expect(number == 7)
    }
  }

  @Test(arguments: [#""\ud800""#, #""\udc00\ud800""#, #""\ud83dx""#, #""\ud800\ud800""#])
  func halfOfASurrogatePairIsNoText(text: String) throws {
    var scanner = try scanner(text)
    do {
      _ = try scanner.string()
      Issue.record("\(text) was taken")
    } catch { #expect(error.code == .invalidEscape) }
  }

  @Test func boundsSizeDepthAndFields() throws {
    #expect(throws: JSONError.self) { try JSONScanner(Array("[1]".utf8), maximumBytes: 2) }
    let deep = String(repeating: "[", count: 4) + String(repeating: "]", count: 4)
    var entered = try scanner(deep, maximumDepth: 1)
    try entered.beginArray()
    #expect(try entered.nextElement())
    #expect(throws: JSONError.self) { try entered.beginArray() }

    let fields = (0...JSONScanner.maximumFields).map { "\"f\($0)\":0" }.joined(separator: ",")
    var wide = try scanner("{\(fields)}")
    try wide.beginObject()
    do {
      while try wide.nextKey() != nil { _ = try wide.integer() }
      Issue.record("too many fields were taken")
    } catch { #expect(error.code == .tooManyFields) }
  }

  @Test func refusesWhatSurroundsTheValue() throws {
    do { _ = try scanner("\u{FEFF}{}") } catch { #expect(error.code == .byteOrderMark) }
    for text in ["{} x", "{}{}", "1 2", "true,"] {
      var scanner = try scanner(text)
      try scanner.skipValue()
      do {
        try scanner.end()
        Issue.record("\(text) was taken")
      } catch { #expect(error.code == .trailingData) }
    }
  }

  @Test func everyTruncationIsRefused() throws {
    let text = Array(#"{"k":"é\ud83d\ude00","n":-12,"o":{"a":[1.5e+3,true,null]},"b":false}"#.utf8)
    for length in 0..<text.count {
      var scanner = try JSONScanner(Array(text[..<length]), maximumBytes: 100)
      do {
        try scanner.skipValue()
        Issue.record("the first \(length) bytes were taken")
      } catch { #expect(error.code == .truncated && error.offset == length) }
    }
    var whole = try JSONScanner(text, maximumBytes: 100)
    try whole.skipValue()
    try whole.end()
  }

  @Test func errorsNameTheFieldAndQuoteNoValue() throws {
    var scanner = try scanner(#"{"order_id":"secret"}"#)
    try scanner.beginObject()
    #expect(try scanner.nextKey() == "order_id")
    do { _ = try scanner.integer() } catch {
      #expect(error.description == "field \"order_id\" at byte 12: expected a number, found a string")
      #expect(error.field == "order_id")
    }
  }
}
