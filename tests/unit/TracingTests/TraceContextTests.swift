import Testing
import Tracing

@Suite struct TraceContextTests {
  private static let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

  @Test func takesWhatTheRecommendationGivesAsItsExample() {
    #expect(TraceContext(traceparent: Self.valid)?.traceparent == Self.valid)
  }

  /// The example with another version, and with something behind it.
  private static func example(version: String = "00", rest: String = "") -> String {
    version + valid.dropFirst(2) + rest
  }

  private static let malformed: [String] = [
    "", "00", example(rest: "-"), example(rest: "-00"), " " + valid, valid.uppercased(), example(version: "ff"),
    example(version: "01", rest: "x"), example(version: "01", rest: ".00"), example(version: "0g"),
    "cc-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01-what", example(rest: "," + valid),
    "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
    "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
  ]

  @Test(arguments: malformed)
  func refusesWhatIsNone(_ text: String) {
    #expect(TraceContext(traceparent: text) == nil)
  }

  @Test(arguments: [
    ("01", "", true), ("cc", "-what-the-future-brings", true), ("fe", "-", false),
  ])
  func takesOfALaterVersionWhatThisOneHas(version: String, rest: String, isSampled: Bool) {
    let flags = isSampled ? ["01", "ff", "0b"] : ["00", "fe", "0a"]
    for flag in flags {
      let text = version + Self.valid.dropFirst(2).dropLast(2) + flag + rest
      #expect(TraceContext(traceparent: text)?.traceparent == Self.valid.dropLast(2) + (isSampled ? "01" : "00"))
    }
  }

  @Test func ofTwoNoneIsTaken() {
    let value = Array(Self.valid.utf8)
    #expect(TraceContext(onlyOf: [value])?.traceparent == Self.valid)
    #expect(TraceContext(onlyOf: [value, value]) == nil)
    #expect(TraceContext(onlyOf: [[UInt8]]()) == nil)
  }

  @Test func refusesEveryTruncation() {
    for count in 0..<Self.valid.utf8.count {
      #expect(TraceContext(traceparent: String(Self.valid.prefix(count))) == nil)
    }
  }
}
