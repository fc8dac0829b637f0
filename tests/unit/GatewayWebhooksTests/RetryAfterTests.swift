import Testing
import Values

@testable import GatewayWebhooks

@Suite("Retry-After") struct RetryAfterTests {
  private static let now = Timestamp("1994-11-06T08:49:07Z")!

  @Test(arguments: [
    ("0", Duration.zero), ("120", .seconds(120)), ("999999999", .seconds(999_999_999)),
    ("Sun, 06 Nov 1994 08:49:37 GMT", .seconds(30)), ("Sun, 06 Nov 1994 08:49:07 GMT", .zero),
    ("Sat, 05 Nov 1994 08:49:37 GMT", .zero), ("Thu, 01 Jan 9998 00:00:00 GMT", .seconds(252_555_117_053)),
  ])
  func `seconds and dates are read`(text: String, expected: Duration) {
    #expect(RetryAfter.parse(text, now: Self.now) == expected)
  }

  @Test(arguments: [
    "", " ", "-1", "+1", "1.5", "1s", "9999999999", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
    "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT",
    "Sun, 06 nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT", "soon",
  ])
  func `anything else is nothing`(text: String) { #expect(RetryAfter.parse(text, now: Self.now) == nil) }
}
