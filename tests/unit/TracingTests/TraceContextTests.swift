import Testing
import Tracing

@Suite struct TraceContextTests {
  private static let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

  @Test func takesWhatTheRecommendationGivesAsItsExample() {
    #expect(TraceContext(traceparent: Self.valid)?.traceparent == Self.valid)
  }

  @Test(arguments: [
    "", "00", valid + "-", valid + "-00", " " + valid, valid.uppercased(), "01" + valid.dropFirst(2),
    "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
    "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
  ])
  func refusesWhatIsNone(_ text: String) {
    #expect(TraceContext(traceparent: text) == nil)
  }

  @Test func refusesEveryTruncation() {
    for count in 0..<Self.valid.utf8.count {
      #expect(TraceContext(traceparent: String(Self.valid.prefix(count))) == nil)
    }
  }
}
