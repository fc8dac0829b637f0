import HTTPServer
import Testing

/// Where requests begin and end.
@Suite(.timeLimit(.minutes(1))) struct HTTPFramingTests {
  @Test func answersByteByByteAndAfterHalfOfTheConnectionEnded() throws {
    let served = try Served()
    let caller = try served.connect()
    for byte in post("/echo", "slow").utf8 { caller.send([byte]) }
    #expect(try caller.answer().body == "slow")
    caller.send(get)
    caller.finish()
    #expect(try caller.answer().body == "hello you")
    #expect(try caller.isEnded())
    // The end comes together with the bytes, wherever they are cut.
    for length in 0..<get.utf8.count {
      let cut = try served.connect()
      cut.send(Array(get.utf8.prefix(length)))
      cut.finish()
      #expect(try cut.isEnded())
    }
  }

  @Test func takesChunkedBodiesAndThenEndsTheConnection() throws {
    let served = try Served()
    let caller = try served.connect()
    let body = "3;name=\"v\"\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
    caller.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + body + get)
    let answer = try caller.answer()
    #expect(answer.status == 200 && answer.body == "abcde" && answer.head.lowercased().contains("connection: close"))
    #expect(try caller.rest().isEmpty, "what follows is not believed to be a request")
  }

  @Test func asksForTheBodyThatACallerHoldsBack() throws {
    let served = try Served()
    let caller = try served.connect()
    caller.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    #expect(try caller.until("\r\n\r\n").hasPrefix("HTTP/1.1 100 "))
    caller.send("ab")
    #expect(try caller.answer().body == "ab")
  }

  @Test func takesHeadsOfManyFieldsInAnyPieces() throws {
    let served = try Served()
    let caller = try served.connect()
    let fields = (0..<80).map { "X-\($0):\($0 % 3 == 0 ? "" : " \t")\(String(repeating: "v", count: $0 % 5)) \r\n" }
      .joined()
    let request = Array("\r\nGET /hello/you?a&b=c HTTP/1.1\r\nhost:h\r\n\(fields)\r\n".utf8)
    for size in [1, 7, 100, 1_000, request.count] {
      for start in stride(from: 0, to: request.count, by: size) {
        caller.send(Array(request[start..<min(start + size, request.count)]))
      }
      #expect(try caller.answer().body == "hello you", "in pieces of \(size)")
    }
    caller.send(Array((0..<5).map { _ in request }.joined()))
    for _ in 0..<5 { #expect(try caller.answer().body == "hello you", "pipelined") }
  }

  /// What may stand in front of us must not be told other requests than we see.
  @Test(arguments: [
    "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length : 4\r\n\r\nabcd",
    "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encodin: chunked\r\n g\r\n\r\n0\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: h\r\nX: y\r\n Content-Length: 4\r\n\r\nabcd",
    "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\0 5\r\n\r\nabcd",
    "POST /echo HTTP/1.1\r\nHost: h\r\nX\0Y: 1\r\n\r\n", "GET /hello/you HTTP/1.1\r\nHost: h\nX: 1\r\n\r\n",
    "GET /hello/you HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", "GET /hello/a\0b HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /hello/a b HTTP/1.1\r\nHost: h\r\n\r\n", "GET /hello/you HTTP/1.1\r\n\r\n",
    "GET /hello/you HTTP/2.0\r\nHost: h\r\n\r\n",
    "GET /hello/you HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", "GET hello HTTP/1.1\r\nHost: h\r\n\r\n",
    "\u{16}\u{3}\u{1}\r\n\r\n",
    "GET /hello/you HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n",
    // A line that begins with a NUL, which is no end of the head.
    "POST /echo HTTP/1.1\r\nHost: h\r\n\0Content-Length: 5\r\n\r\n" + get,
    "POST /echo HTTP/1.1\r\nHost: h\r\n\0Transfer-Encoding: chunked\r\n\r\n" + get,
    "GET /hello/you HTTP/1.0\r\n\0Content-Length: 5\r\n\r\n" + get,
    "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\0\0 5\r\n\r\nabcd",
    "GET /hello/you HTTP/1.1\r\nHost: h\r\nX: a\0\0\0\0Y: b\r\n\r\n",
    // Line feeds alone.
    "GET /hello/you HTTP/1.1\nHost: h\r\n\r\n", "GET /hello/you HTTP/1.1\r\nHost: h\r\n\n",
    "GET /hello/you HTTP/1.0\r\n\n", "GET /hello/you HTTP/1.0\n\r\n", "GET /hello/you HTTP/1.1\r\nHost: h\n\r\n",
  ])
  func refusesWhatIsOpenToDoubt(_ request: String) throws {
    let served = try Served()
    let caller = try served.connect()
    caller.send(request)
    let answers = try caller.rest()
    // The library ends some connections without a word.
    let isRefused = ["400", "501", "505"].contains { answers.hasPrefix("HTTP/1.1 \($0) ") }
    #expect(answers.isEmpty || isRefused && answers.ranges(of: "Date: ").count == 1, "\(answers)")
  }
}
