import Testing
import Values

@testable import Logger

@Suite struct RepeatedLinesTests {
  private static let start = Instant(nanoseconds: 5_000_000_000)

  private func line(
    _ message: String = "lost", label: String = "relay", level: LogLevel = .error, number: Int = 1
  ) -> LogLine {
    LogLine(level: level, label: label, message: message, fields: ["number": .number(number)])
  }

  /// What is written of `line` at a time, as `message#number×repeated`.
  private func write(_ line: LogLine, _ repeats: inout RepeatedLines, after: Duration) -> [String] {
    let now = Self.start + after
    var written = repeats.takeDue(at: now)
    if repeats.admit(line, at: now) { written.append(line) }
    return written.map(shown)
  }

  private func shown(_ line: LogLine) -> String {
    "\(line.message)#\(line.fields[0].value)×\(line.repeated)"
  }

  @Test func aSteadyFaultIsOneLineASecond() {
    var repeats = RepeatedLines()
    var written: [String] = []
    for tick in 0..<35 { written += write(line(), &repeats, after: .milliseconds(tick * 100)) }
    #expect(written == ["lost#int(1)×0", "lost#int(1)×9", "lost#int(1)×10", "lost#int(1)×10"])
    #expect(repeats.takeAll().map(shown) == ["lost#int(1)×5"])
  }

  @Test func theLastOnesAreWrittenWithoutAnother() {
    var repeats = RepeatedLines()
    _ = write(line(), &repeats, after: .zero)
    #expect(repeats.nextDue == .distantFuture)
    _ = write(line(), &repeats, after: .milliseconds(300))
    #expect(repeats.nextDue == Self.start + .seconds(1))
    #expect(repeats.takeDue(at: Self.start + .milliseconds(999)).isEmpty)
    #expect(repeats.takeDue(at: Self.start + .seconds(1)).map(shown) == ["lost#int(1)×1"])
    #expect(repeats.nextDue == .distantFuture && repeats.takeAll().isEmpty)
    #expect(write(line(), &repeats, after: .seconds(3)) == ["lost#int(1)×0"])
  }

  @Test func otherFieldsAreWrittenUpToALimit() {
    var repeats = RepeatedLines()
    var written: [String] = []
    for number in 0..<100 { written += write(line(number: number), &repeats, after: .milliseconds(number)) }
    #expect(written == (0..<RepeatedLines.variantLimit).map { "lost#int(\($0))×0" })
    #expect(repeats.takeAll().map(shown) == ["lost#int(99)×90"])
  }

  @Test func labelsLevelsAndMessagesAreToldApart() {
    var repeats = RepeatedLines()
    let lines = [line(), line("found"), line(label: "cron"), line(level: .warning)]
    for line in lines { #expect(write(line, &repeats, after: .zero).count == 1) }
    for line in lines { #expect(write(line, &repeats, after: .zero).isEmpty) }
    for _ in 0..<3 { #expect(write(line(level: .info), &repeats, after: .zero).count == 1) }
  }

  @Test func textsBeyondTheLimitAreWritten() {
    var repeats = RepeatedLines()
    for round in 0..<2 {
      for number in 0..<400 {
        let isWatched = round == 1 && number < RepeatedLines.textLimit
        #expect(write(line("text \(number)"), &repeats, after: .zero).count == (isWatched ? 0 : 1))
      }
    }
    #expect(repeats.takeAll().count == RepeatedLines.textLimit)
    #expect(write(line("text 399"), &repeats, after: .zero).count == 1)
    #expect(write(line("text 399"), &repeats, after: .zero).isEmpty)
  }
}
