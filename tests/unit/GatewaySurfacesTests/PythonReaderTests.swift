import Testing

@testable import GatewaySurfaces

@Suite struct PythonReaderTests {
  /// Written by CPython 3.11: the place and the words of each `JSONDecodeError`.
  @Test(arguments: [
    ("", "0 Expecting value"),
    ("{", "1 Expecting property name enclosed in double quotes"),
    ("[", "1 Expecting value"),
    ("nope", "0 Expecting value"),
    ("{\"a\":1} x", "8 Extra data"),
    ("{\"a\":1,}", "7 Expecting property name enclosed in double quotes"),
    ("[1,]", "3 Expecting value"),
    ("{\"a\" 1}", "5 Expecting ':' delimiter"),
    ("{\"a\":1 \"b\":2}", "7 Expecting ',' delimiter"),
    ("{\"a\":\"x", "5 Unterminated string starting at"),
    ("{a:1}", "1 Expecting property name enclosed in double quotes"),
    ("{\"a\":\"\\q\"}", "6 Invalid \\escape"),
    ("{\"a\":\"\n\"}", "6 Invalid control character at"),
    ("{\"a\":", "5 Expecting value"),
    ("{\"a\"", "4 Expecting ':' delimiter"),
    ("[1 2]", "3 Expecting ',' delimiter"),
    ("01", "1 Extra data"),
    ("-", "0 Expecting value"),
    ("[tru]", "1 Expecting value"),
    ("{\"é\":}", "5 Expecting value"),
    ("{\"a\":\"\\u12\"}", "7 Invalid \\uXXXX escape"),
    ("{\"a\":\"\\", "5 Unterminated string starting at"),
    ("1.", "1 Extra data"),
    ("1e", "1 Extra data"),
    ("\"x", "0 Unterminated string starting at"),
    ("{\"a\":[{\"b\":{}}", "14 Expecting ',' delimiter"),
    ("[[]", "3 Expecting ',' delimiter"),
    ("{}{}", "2 Extra data"),
    ("{\"a\":1.}", "6 Expecting ',' delimiter"),
    ("[,]", "1 Expecting value"),
    ("{,}", "1 Expecting property name enclosed in double quotes"),
    ("nul", "0 Expecting value"),
    ("[-]", "1 Expecting value"),
    ("{'a':1}", "1 Expecting property name enclosed in double quotes"),
  ]) func `a text is given up where Python gives it up`(_ text: String, _ expected: String) {
    let fault = PythonReader.fault(in: Array(text.utf8))
    #expect(fault.map { "\($0.place) \($0.words)" } == expected)
  }

  @Test(arguments: ["{}", "[]", " [1, -0.5e+3, \"a\\u00e9\\n\", {\"b\": [true, null]}] ", "0", "\"\""])
  func `what Python reads has no fault`(_ text: String) { #expect(PythonReader.fault(in: Array(text.utf8)) == nil) }
}
