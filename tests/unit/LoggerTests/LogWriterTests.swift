import Foundation
import Runtime
import Testing
import Values

@testable import Logger

/// The thread that writes, against real pipes.
@Suite struct LogWriterTests {
  /// A pipe whose reader does what a test wants.
  private final class Reader: Sendable {
    let output: Int32
    private let input: Int32

    init() {
      var ends: [Int32] = [0, 0]
      // A closed reader must not end the test program.
      signal(SIGPIPE, SIG_IGN)
      #expect(pipe(&ends) == 0)
      (input, output) = (ends[0], ends[1])
    }

    deinit { close(output) }

    func hangUp() { close(input) }

    /// Reads until what was read satisfies `isEnough`, ten seconds at most.
    func read(until isEnough: (String) -> Bool) -> String {
      var bytes: [UInt8] = []
      var chunk = [UInt8](repeating: 0, count: 65_536)
      let deadline = Instant.now() + .seconds(10)
      while Instant.now() < deadline {
        var poll = pollfd(fd: input, events: Int16(POLLIN), revents: 0)
        guard Foundation.poll(&poll, 1, 100) == 1 else { continue }
        let count = Foundation.read(input, &chunk, chunk.count)
        guard count > 0 else { break }
        bytes += chunk[..<count]
        let text = String(decoding: bytes, as: UTF8.self)
        if text.hasSuffix("\n"), isEnough(text) { return text }
      }
      return String(decoding: bytes, as: UTF8.self)
    }
  }

  private func numbers(_ text: String) -> [Int] {
    text.split(separator: "\n").compactMap { line in line.split(separator: " line ").last.flatMap { Int($0) } }
  }

  @Test(.timeLimit(.minutes(1))) func aLineThatNeverFitsSilencesNothing() {
    let reader = Reader()
    let writer = LogWriter(descriptor: reader.output)
    let logger = Logger(label: "test", program: Logger.Program(name: "cron", version: "1.2.3"), writer: writer)
    logger.info(String(repeating: "x", count: LogWriter.capacity))
    let notice = reader.read { $0.contains("lines are missing here") }
    #expect(notice.contains(" warning cron/1.2.3 log: ") && notice.contains("count=1"))
    logger.info("line 1")
    #expect(numbers(reader.read { $0.contains(" line 1") }) == [1])
  }

  @Test(.timeLimit(.minutes(1))) func aReaderThatStallsStopsNobodyAndIsToldWhatIsMissing() throws {
    let reader = Reader()
    let writer = LogWriter(descriptor: reader.output)
    let logger = Logger(label: "test", writer: writer)
    let count = 40_000
    let began = Instant.now()
    for number in 0..<count { logger.info("line \(number)") }
    #expect(Instant.now() - began < .seconds(5), "\(count) lines of a reader who reads nothing")
    #expect(writer.droppedLines > 0)
    let stalled = Instant.now()
    writer.flush()
    #expect(Instant.now() - stalled < .seconds(4))
    let dropped = writer.droppedLines

    let text = reader.read { $0.contains("lines are missing here") }
    let read = numbers(text)
    #expect(read == Array(0..<read.count), "the order is kept and nothing is missing before the notice")
    #expect(read.count + dropped == count)
    let notice = try #require(text.split(separator: "\n").last)
    #expect(notice.hasSuffix("warning log: lines are missing here: they could not be written in time count=\(dropped)"))
    logger.info("line \(count)")
    #expect(numbers(reader.read { _ in true }) == [count])
  }

  @Test(.timeLimit(.minutes(1))) func nothingIsLostWhenTheReaderReads() {
    let reader = Reader()
    let writer = LogWriter(descriptor: reader.output)
    let logger = Logger(label: "test", format: .json, writer: writer)
    let threads = (0..<4).map { part in
      WorkerThread(name: "speaker") {
        for number in 0..<500 { logger.error("text", ["part": .number(part), "number": .number(number)]) }
        for number in 0..<1_000 { logger.info("\(part) line \(number)") }
      }
    }
    let ender = WorkerThread(name: "ender") {
      for thread in threads { thread.join() }
      writer.flush()
      logger.info("the end")
    }
    let text = reader.read { $0.contains("the end") }
    ender.join()
    let lines = text.split(separator: "\n")
    for part in 0..<4 {
      let mine = lines.compactMap { $0.split(separator: "\"\(part) line ").last.flatMap { Int($0.dropLast(2)) } }
      #expect(mine == Array(0..<1_000))
    }
    let errors = lines.filter { $0.contains("\"error\"") }
    let repeated = errors.compactMap { $0.split(separator: "\"repeated\":").last.flatMap { Int($0.dropLast()) } }
    #expect(
      errors.count - repeated.count + repeated.reduce(0, +) == 2_000, "what was held back is counted: \(repeated)")
    #expect(errors.count < 40 && writer.droppedLines == 0)
  }

  @Test(.timeLimit(.minutes(1))) func aRepeatedErrorIsWrittenASecondLater() {
    let reader = Reader()
    let writer = LogWriter(descriptor: reader.output)
    let logger = Logger(label: "test", writer: writer)
    let began = Instant.now()
    for _ in 0..<500 { logger.labelled("other").warning("the same", ["why": "it is"]) }
    let lines = reader.read { $0.contains("repeated=") }.split(separator: "\n")
    #expect(
      lines.map { $0.dropFirst(28) } == [
        "warning other: the same why=\"it is\"", "warning other: the same why=\"it is\" repeated=499",
      ])
    #expect(Instant.now() - began >= .milliseconds(900))
  }

  @Test(.timeLimit(.minutes(1))) func aReaderThatWentAwayIsHarmless() {
    let reader = Reader()
    let writer = LogWriter(descriptor: reader.output)
    reader.hangUp()
    for number in 0..<10 { Logger(label: "test", writer: writer).info("line \(number)") }
    writer.flush()
    #expect(writer.droppedLines == 10)
    let closed = LogWriter(descriptor: 1_000_000)
    closed.write(line: "nowhere")
    closed.flush()
    #expect(closed.droppedLines == 1)
  }
}
