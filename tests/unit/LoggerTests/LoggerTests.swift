import Foundation
import Logger
import Synchronization
import Testing

@Suite struct LoggerTests {
  private final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    func take(_ bytes: [UInt8]) { lines.withLock { $0.append(String(decoding: bytes, as: UTF8.self)) } }
    var all: [String] { lines.withLock { $0 } }
  }

  @Test func writesTextOnOneLine() throws {
    let lines = Lines()
    Logger(label: "relay", sink: lines.take).info(
      "took\nover",
      [
        "count": 64, "who": "me", "quoted": "a \"b\"\n\u{1B}[31m", "empty": "", "ok": true, "ratio": .double(0.5),
        "accent": "é",
      ])
    let line = try #require(lines.all.first)
    #expect(
      line.dropFirst(28)
        == "info relay: took over count=64 who=me quoted=\"a \\\"b\\\"\\n\\u001b[31m\" empty=\"\" ok=true ratio=0.5 accent=é\n"
    )
    #expect(try /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z $/.wholeMatch(in: String(line.prefix(28))) != nil)
  }

  @Test func hidesNothingFromTheReader() {
    let lines = Lines()
    let evil = "a\u{202E}b\u{9B}c\u{7F}d\u{61C}\u{1B}[2J"
    let shown = "a\\u202eb\\u009bc\\u007fd\\u061c\\u001b[2J"
    Logger(label: evil, sink: lines.take).info(evil, ["bare": .string(evil), "quoted": .string("x \(evil)")])
    Logger(label: "l", format: .json, sink: lines.take).info(evil, ["field": .string(evil)])
    #expect(lines.all[0].dropFirst(28) == "info \(shown): \(shown) bare=\"\(shown)\" quoted=\"x \(shown)\"\n")
    #expect(lines.all[1].hasSuffix("\"message\":\"\(shown)\",\"field\":\"\(shown)\"}\n"))
  }

  @Test func writesJSONThatAnyReaderTakes() throws {
    let lines = Lines()
    Logger(label: "re\"lay", level: .debug, format: .json, sink: lines.take).error(
      "a \"b\"\n\\\u{1}é😀",
      ["big": .int(.max), "nan": .double(.nan), "text": "x\ty", "flag": false, "half": .double(0.5)])
    let line = try #require(lines.all.first)
    #expect(line.hasSuffix("}\n") && !line.dropLast().contains("\n"))
    let read = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    #expect(read["message"] as? String == "a \"b\"\n\\\u{1}é😀")
    #expect(read["logger"] as? String == "re\"lay" && read["level"] as? String == "error")
    #expect(read["big"] as? Int64 == .max && read["nan"] is NSNull && read["text"] as? String == "x\ty")
    #expect(read["flag"] as? Bool == false && read["half"] as? Double == 0.5)
    #expect((read["time"] as? String)?.count == 27)
  }

  @Test func namesTheProgramInJSON() throws {
    let lines = Lines()
    let program = Logger.Program(name: "payments-cron", version: "1.2.3")
    Logger(label: "payments-cron", format: .json, program: program, sink: lines.take).labelled("relay").info("m")
    let line = try #require(lines.all.first)
    #expect(line.contains(#""logger":"relay","program":"payments-cron","version":"1.2.3","message":"m""#))
  }

  @Test func `a line of text names program and version before the part that logs`() throws {
    let lines = Lines()
    let program = Logger.Program(name: "payments-cron", version: "1.2.3+4")
    Logger(label: "payments-cron", program: program, sink: lines.take).labelled("relay").info("m", ["n": 1])
    #expect(lines.all.map { $0.dropFirst(28) } == ["info payments-cron/1.2.3+4 relay: m n=1\n"])
  }

  @Test(arguments: LogFormat.allCases)
  func `a field without a value is left out`(format: LogFormat) {
    let lines = Lines()
    let (known, unknown) = (Int64?(111), Int64?.none)
    Logger(label: "x", format: format, sink: lines.take).info(
      "m", ["order_id": .number(known), "payment_id": .number(unknown), "trace_id": .describing(String?.none), "of": 1])
    let end = format == .text ? " info x: m order_id=111 of=1\n" : #""message":"m","order_id":111,"of":1}"# + "\n"
    #expect(lines.all.map { $0.hasSuffix(end) } == [true], "\(lines.all)")
  }

  @Test(arguments: LogLevel.allCases)
  func leavesOutWhatIsBelowItsLevel(level: LogLevel) {
    let lines = Lines()
    let evaluated = Mutex(0)
    func message() -> String {
      evaluated.withLock { $0 += 1 }
      return "m"
    }
    let logger = Logger(label: "x", level: level, sink: lines.take).labelled("y")
    logger.debug(message())
    logger.info(message())
    logger.warning(message())
    logger.error(message())
    let shown = LogLevel.allCases.filter { $0 >= level }.map(\.name)
    #expect(lines.all.map { String($0.dropFirst(28).prefix { $0 != " " }) } == shown)
    #expect(evaluated.withLock { $0 } == shown.count, "a message that is left out must not be made")
  }
}
