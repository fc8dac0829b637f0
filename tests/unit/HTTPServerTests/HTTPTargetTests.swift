import Testing

@testable import HTTPServer

@Suite struct HTTPTargetTests {
  private func target(_ text: String) -> HTTPTarget? { try? HTTPTarget(Array(text.utf8)) }

  @Test(arguments: [
    ("/", [""]), ("/a", ["a"]), ("/a/", ["a", ""]), ("//a", ["", "a"]), ("/a%2Fb/%C3%A9", ["a/b", "é"]),
    ("/a+b", ["a+b"]), ("/a?x=/y", ["a"]), ("http://h/a/b?c", ["a", "b"]), ("HTTPS://h:8/a", ["a"]),
    ("http://h", [""]), ("http://h?x", [""]), ("/..;/%2e%2E", ["..;", ".."]),
  ])
  func pathsAreCutAndDecoded(_ text: String, _ segments: [String]) {
    #expect(target(text)?.segments == segments)
  }

  @Test(arguments: [
    "", "*", "a", "h:443", "ftp://h/a", "http:/a", "/%", "/%4", "/%zz", "/%00", "/%ff", "/%c3", "/é", "/a b", "/?x=%",
    "/?%ff",
    "/?a=%00", "/\u{7f}", "/%+1",
  ])
  func othersAreRefused(_ text: String) { #expect(target(text) == nil) }

  @Test func queriesHaveNamesAndValues() throws {
    let query = try #require(target("/a?x=1&y=a+b%26&x=2&z&=w&&q=a=b")?.query)
    #expect(query["x"] == "1" && query.values("x") == ["1", "2"] && query["y"] == "a b&" && query["z"] == "")
    #expect(query[""] == "w" && query["q"] == "a=b" && query["none"] == nil && query.values("none").isEmpty)
    #expect(query.items.count == 6)
    #expect(target("/a?")?.query == HTTPQuery() && target("/a")?.query == HTTPQuery())
  }
}
