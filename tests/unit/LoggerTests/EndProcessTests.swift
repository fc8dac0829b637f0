import Logger
import Testing

@Suite struct EndProcessTests {
  /// The thread that writes would be gone before it writes a thing.
  @Test func `the last lines are written before the process ends`() async {
    let result = await #expect(processExitsWith: .exitCode(1), observing: [\.standardErrorContent]) {
      let logger = Logger(label: "inbox")
      for number in 0..<100 { logger.info("a line before", ["number": .number(number)]) }
      logger.endProcess("the client has failed permanently", ["error": "why"])
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("a line before number=99\n"))
    #expect(text.hasSuffix(" error inbox: the client has failed permanently error=why\n"))
  }
}
