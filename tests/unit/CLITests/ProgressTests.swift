import GRPC
import Testing
import Values

@testable import CLI

struct ProgressTests {
  private let start = Instant(nanoseconds: 0)

  @Test func showsHowFarItIs() {
    var progress = Progress(total: 100_000, start: start)
    let now = start + .seconds(4)
    progress.update(done: 25_000, at: now)
    #expect(progress.line(at: now) == "25% 25,000/100,000  6,250 msgs/s  ETA 12s")
    #expect(progress.bar(at: now) == "[######..................] 25% 25,000/100,000  6,250 msgs/s  ETA 12s")
  }

  @Test func saysWhenNothingMoves() {
    var progress = Progress(total: 10, start: start)
    progress.update(done: 5, at: start + .seconds(1))
    progress.update(done: 5, at: start + .seconds(4))
    #expect(progress.line(at: start + .seconds(4)) == "50% 5/10  1 msgs/s  waiting for the broker")
    progress.update(done: 10, at: start + .seconds(5))
    #expect(progress.line(at: start + .seconds(9)) == "100% 10/10  1 msgs/s")
  }

  @Test func hasNoRateAtTheStart() {
    #expect(Progress(total: 1, start: start).line(at: start) == "0% 0/1  0 msgs/s")
  }

  @Test(arguments: [(10, "1s"), (1_200, "2m0s"), (72_000, "2h0m")] as [(Int64, String)])
  func roundsTheTimeLeft(_ total: Int64, _ expected: String) {
    var progress = Progress(total: total + 10, start: start)
    progress.update(done: 10, at: start + .seconds(1))
    #expect(progress.line(at: start + .seconds(1)).hasSuffix("ETA \(expected)"))
  }
}

struct SmallThingsTests {
  @Test func keepsControlCharactersOffTheTerminal() {
    #expect(printable("order ü 111") == "order ü 111")
    #expect(printable("a\u{1B}]0;x\u{7}b\u{9B}\u{202E}") == "a\\u001b]0;x\\u0007b\\u009b\\u202e")
    #expect(oneLine("failed;\n\tis it   up?\r\n") == "failed; is it up?")
  }

  @Test func saysWhatAStatusMeans() {
    let address = NetworkAddress(host: "127.0.0.1", port: 8081)
    func said(_ status: GRPCStatus) -> String { PaymentsClient.explain(status, address, .seconds(10)).message }
    let away = said(GRPCStatus(.unavailable, "cannot connect to 127.0.0.1:8081: Connection refused"))
    #expect(away.contains("127.0.0.1:8081"))
    #expect(away.contains("is payments-server running? `make up`"))
    #expect(
      said(GRPCStatus(.unavailable, "the database is away", details: [8, 14]))
        == "UNAVAILABLE: the database is away (from 127.0.0.1:8081); doing it again is safe")
    #expect(
      said(GRPCStatus(.notFound, "order 9 has no payment")) == "NOT_FOUND: order 9 has no payment (from 127.0.0.1:8081)"
    )
    #expect(said(GRPCStatus(.deadlineExceeded)).contains("did not answer within 10s"))
  }
}
