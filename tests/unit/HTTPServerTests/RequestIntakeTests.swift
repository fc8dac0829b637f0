import Testing

@testable import HTTPServer

@Suite struct RequestIntakeTests {
  private let intake = {
    var router = HTTPRouter()
    router.add(.get, "/a") { _, _ in }
    router.add(.post, "/a", maxBody: 100, contentTypes: ["application/json"]) { _, _ in }
    router.add(.put, "/a", maxBody: 100) { _, _ in }
    return RequestIntake(router: router, maxTarget: 20, maxHeaders: 400, answersAddressesOnly: false)
  }()

  private func decide(
    _ method: String, _ target: String = "/a", _ headers: KeyValuePairs<String, String> = [:],
    version: String = "HTTP/1.1", isPlain: Bool = true, isFull: Bool = false, withHost: Bool = true
  ) -> HTTPRefusal? {
    var fields = HTTPHeaders(headers)
    if withHost { fields.append(name: "Host".utf8, value: "h".utf8) }
    let head = RequestHead(
      method: method, target: Array(target.utf8), version: version, headers: fields, isPlain: isPlain)
    if case .refuse(let refusal) = intake.decide(head, isFull: isFull) { return refusal }
    return nil
  }

  @Test func bodiesNeedTheTypeAndTheLengthOfTheRoute() {
    #expect(decide("POST") == nil, "a body that is not there has no type")
    #expect(decide("POST", "/a", ["Content-Length": "0"]) == nil)
    for type in ["application/json", "Application/JSON; charset=utf-8", " application/json ;x"] {
      #expect(decide("POST", "/a", ["Content-Length": "100", "Content-Type": type]) == nil, "\(type)")
    }
    let unsupported = HTTPRefusal.unsupportedContentType(accepted: ["application/json"])
    for type in ["", "text/json", "application/json2", "json"] {
      #expect(decide("POST", "/a", ["Content-Length": "9", "Content-Type": type]) == unsupported, "\(type)")
    }
    #expect(decide("POST", "/a", ["Content-Length": "9"]) == unsupported)
    let json = "application/json"
    #expect(decide("POST", "/a", ["Content-Length": "9", "Content-Type": json, "content-type": json]) == unsupported)
    #expect(decide("PUT", "/a", ["Content-Length": "100"]) == nil)
    #expect(decide("PUT", "/a", ["Content-Length": "101"]) == .bodyTooLarge(limit: 100))
    #expect(decide("PUT", "/a", ["Content-Length": "99999999999999999999999"]) == .bodyTooLarge(limit: 100))
    #expect(decide("PUT", "/a", ["Transfer-Encoding": "Chunked"]) == nil)
    #expect(decide("GET", "/a", ["Content-Length": "1"]) == .bodyTooLarge(limit: 0))
    #expect(decide("GET", "/a", ["Transfer-Encoding": "chunked"]) == .bodyTooLarge(limit: 0))
  }

  /// Ways to make two readers see different requests (RFC 9112 section 11.2).
  @Test func framingThatIsOpenToDoubtIsRefused() {
    let doubtful: [KeyValuePairs<String, String>] = [
      ["Content-Length": "5", "content-length": "5"], ["Content-Length": "5, 5"], ["Content-Length": "+5"],
      ["Content-Length": "-5"], ["Content-Length": "5 "], ["Content-Length": "0x5"], ["Content-Length": ""],
      ["Content-Length": "5", "Transfer-Encoding": "chunked"], ["hOst": "b"],
      ["X ": "1"], ["X\t": "1"], ["": "1"], ["X": "a\rb"], ["X": "a\nb"], ["X": "a\0b"], ["X(": "1"],
    ]
    for headers in doubtful {
      guard case .malformed = decide("PUT", "/a", headers) else {
        Issue.record("\(headers) passed")
        continue
      }
    }
    for coding in ["gzip, chunked", "chunked, chunked", "identity", "chunked ", "\tchunked", "", "chunke"] {
      #expect(decide("PUT", "/a", ["Transfer-Encoding": coding]) == .unsupportedTransferCoding, "\(coding)")
    }
    #expect(
      decide("PUT", "/a", ["Transfer-Encoding": "chunked", "transfer-encoding": "chunked"])
        == .unsupportedTransferCoding)
    guard case .malformed = decide("PUT", "/a", ["Transfer-Encoding": "chunked"], version: "HTTP/1.0"),
      case .malformed = decide("GET", isPlain: false), case .malformed = decide("G(T"),
      case .malformed = decide("GET", withHost: false)
    else {
      Issue.record("passed")
      return
    }
    #expect(decide("GET", version: "HTTP/1.0", withHost: false) == nil)
  }

  @Test func limitsAreTold() {
    #expect(decide("GET", "/a?" + String(repeating: "x", count: 17)) == nil)
    #expect(decide("GET", "/a?" + String(repeating: "x", count: 18)) == .targetTooLong(limit: 20))
    #expect(decide("GET", "/a", ["X": String(repeating: "x", count: 266)]) == nil)
    #expect(decide("GET", "/a", ["X": String(repeating: "x", count: 267)]) == .headersTooLarge(limit: 400))
    #expect(decide("GET", isFull: true) == .overloaded)
    #expect(decide("GET", "/b", isFull: true) == .unknownPath, "what asks nothing of a handler is answered")
  }

  @Test func aServerForThisMachineAnswersToNoName() {
    var router = HTTPRouter()
    router.add(.get, "/a") { _, _ in }
    let intake = RequestIntake(router: router, maxTarget: 20, maxHeaders: 300, answersAddressesOnly: true)
    func isRefused(_ method: String, _ headers: KeyValuePairs<String, String>, version: String = "HTTP/1.1") -> Bool {
      let head = RequestHead(
        method: method, target: Array("/a".utf8), version: version, headers: HTTPHeaders(headers))
      if case .refuse(.misdirected) = intake.decide(head, isFull: false) { return true }
      return false
    }
    for name in ["evil.example", "127.0.0.1.evil.example:80", "localhost.evil.example", "a1", "1.2.3.4a"] {
      #expect(isRefused("GET", ["Host": name]) && isRefused("OPTIONS", ["Host": name]), "\(name)")
    }
    for name in ["localhost", "localhost:8090", "127.0.0.1", "127.0.0.1:8090", "[::1]:8090"] {
      #expect(!isRefused("GET", ["Host": name]), "\(name)")
    }
    #expect(isRefused("GET", [:], version: "HTTP/1.0"))
    #expect(HTTPRefusal.misdirected.response.status == 421)
  }

  @Test func queriesThatNobodyReadsArePassedOver() {
    var router = HTTPRouter()
    router.ignoresQuery = true
    router.add(.get, "/a") { _, _ in }
    let intake = RequestIntake(router: router, maxTarget: 20, maxHeaders: 300, answersAddressesOnly: false)
    func decide(_ target: String) -> RequestIntake.Decision {
      intake.decide(
        RequestHead(
          method: "GET", target: Array(target.utf8), version: "HTTP/1.1", headers: HTTPHeaders(["Host": "h"])),
        isFull: false)
    }
    for query in ["?%", "?\(String(repeating: "x", count: 100))", "?a=b"] {
      guard case .accept(let accepted) = decide("/a" + query), accepted.target.query == HTTPQuery() else {
        Issue.record("\(query) was read")
        continue
      }
    }
    guard case .refuse(.targetTooLong) = decide("/\(String(repeating: "a", count: 20))") else {
      Issue.record("a long path passed")
      return
    }
  }

  @Test func bodiesAreCountedAsTheyCome() {
    func receive(_ body: inout BodyIntake, _ count: Int, hasRoom: Bool = true) -> Bool {
      let piece = [UInt8](repeating: 7, count: count)
      return piece.withUnsafeBytes { body.receive($0) { _ in hasRoom } }
    }
    var body = BodyIntake(maxBody: 100_000)
    #expect(receive(&body, 60_000) && receive(&body, 40_000) && body.refusal == nil && body.bytes.count == 100_000)
    #expect(body.take().count == 100_000 && body.bytes.isEmpty)

    body = BodyIntake(maxBody: 100_000)
    #expect(receive(&body, 60_000) && receive(&body, 40_001) && body.refusal == .bodyTooLarge(limit: 100_000))
    #expect(body.bytes.isEmpty)
    #expect(receive(&body, 59_999) && !receive(&body, 1), "as much is thrown away as there may be, and then it is over")

    body = BodyIntake(maxBody: 100_000)
    #expect(receive(&body, 1) && receive(&body, 1, hasRoom: false) && body.refusal == .overloaded)
    #expect(receive(&body, 1) && body.bytes.isEmpty)
  }

  @Test func headersAreFoundWhateverTheirCase() {
    let headers = HTTPHeaders(["Idempotency-Key": "a", "X": "1", "x": "2", "empty": ""])
    #expect(headers["idempotency-key"] == "a" && headers["IDEMPOTENCY-KEY"] == "a" && headers["idempotency"] == nil)
    #expect(headers["X"] == "1" && headers.values("x") == ["1", "2"] && headers["Empty"] == "" && headers.count == 4)
  }
}
