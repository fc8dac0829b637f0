import Testing
import Values

@testable import CLI

@Suite("What programs say to doctor")
struct DoctorTests {
  private func state(
    _ address: String, program: String, version: String = "0.2.0", commit: String = "abc", settings: String = "{}",
    ready: String = #"{"postgres":{"ok":true,"detail":""}}"#, metrics: String = ""
  ) -> ProgramState {
    var state = ProgramState(address: address)
    state.takeReadiness(Array(#"{"status":"ready","checks":\#(ready)}"#.utf8))
    state.takeVersion(
      Array(#"{"program":"\#(program)","version":"\#(version)","commit":"\#(commit)","started":"x","more":[1]}"#.utf8))
    state.takeSettings(Array(#"{"program":"x","settings":\#(settings)}"#.utf8))
    state.takeMetrics(Array(metrics.utf8))
    return state
  }

  @Test func programsThatAgreeAreNoFinding() {
    let one = state("a:1", program: "payments-server", settings: #"{"LOG_LEVEL":{"value":"info","origin":"default"}}"#)
    let two = state("b:1", program: "payments-cron", settings: #"{"LOG_LEVEL":{"value":"debug","origin":"env"}}"#)
    #expect(ProgramFindings([one, two]).all(now: 0).isEmpty)
  }

  @Test func whatIsNotReadyIsNamedWithItsReason() {
    let down = state(
      "a:1", program: "payments-server",
      ready: #"{"postgres":{"ok":true,"detail":""},"publishing":{"ok":false,"detail":"topic payment: denied"}}"#)
    let findings = ProgramFindings([down]).all(now: 0)
    #expect(findings.map(\.subject) == ["payments-server at a:1"])
    #expect(findings.map(\.problem) == ["publishing is not ready: topic payment: denied"])
  }

  @Test func versionsThatDifferAreOneFinding() {
    let states = [
      state("a:1", program: "p"), state("b:1", program: "p", version: "0.3.0"),
      state("c:1", program: "p", commit: "def"),
    ]
    let findings = ProgramFindings(states).all(now: 0)
    #expect(findings.count == 1)
    #expect(findings.first?.problem.contains("0.3.0 (abc): p at b:1") == true)
  }

  @Test func settingsThatDisagreeAreNamedWithTheirPrograms() {
    func settings(_ ttl: String, _ dsn: String, _ address: String) -> String {
      #"{"PAYMENT_TTL":{"value":"\#(ttl)"},"DB_DSN":{"value":"\#(dsn)"},"ADMIN_ADDR":{"value":"\#(address)"}}"#
    }
    let one = state("a:1", program: "p", settings: settings("1h", "postgres://one:***@db/x", "127.0.0.1:1"))
    let two = state("b:1", program: "q", settings: settings("2h", "postgres://two:***@db/x", "127.0.0.1:2"))
    let findings = ProgramFindings([one, two]).all(now: 0)
    #expect(findings.map(\.subject) == ["PAYMENT_TTL"])
    #expect(findings.first?.problem == #"programs disagree: "1h" of p at a:1; "2h" of q at b:1"#)
    let third = state("c:1", program: "r", settings: settings("1h", "postgres://one:***@other/x", ""))
    #expect(ProgramFindings([one, third]).all(now: 0).map(\.subject) == ["DB_DSN"])
  }

  @Test(arguments: [(86_400.0 * 20, 0), (86_400.0 * 13, 1), (-5.0, 1)])
  func certificatesThatEndSoonAreFindings(left: Double, count: Int) {
    let now = 1_800_000_000.0
    let metrics = """
      # HELP paysaga_grpc_server_tls_certificate_end_seconds When.
      paysaga_grpc_server_tls_certificate_end_seconds \(now + left)
      paysaga_http_server_tls_certificate_end_seconds{surface="gateway"} \(now + 100 * 86_400)
      paysaga_http_server_tls_certificate_end_seconds{surface="cards"} \(now + 100 * 86_400)
      paysaga_other 1

      """
    #expect(ProgramFindings([state("a:1", program: "p", metrics: metrics)]).all(now: now).count == count)
  }

  @Test func theCertificateOfSeveralServersIsOneFinding() {
    let metrics = ["gateway", "cards"].map {
      "paysaga_http_server_tls_certificate_end_seconds{surface=\"\($0)\"} 100\n"
    }.joined()
    #expect(ProgramFindings([state("a:1", program: "p", metrics: metrics)]).all(now: 0).count == 1)
  }

  @Test func `certificates for other servers are findings of their own`() {
    let metrics = ["kafka", "saga"].map {
      "paysaga_client_tls_certificate_end_seconds{server=\"\($0)\"} 100\n"
    }.joined()
    let findings = ProgramFindings([state("a:1", program: "p", metrics: metrics)]).all(now: 0)
    let problems = findings.map { String($0.problem.prefix { $0 != "1" }) }
    #expect(problems == ["its certificate for kafka ends at ", "its certificate for saga ends at "])
    #expect(findings.allSatisfy { $0.remedy.hasSuffix("restart the program") })
  }

  @Test(arguments: ["", "no JSON", "[1]", #"{"checks":7,"settings":[],"version":{}}"#, #"{"checks":{"a":"b"#])
  func whatCannotBeReadIsLeftOut(body: String) {
    var state = ProgramState(address: "a:1")
    state.takeReadiness(Array(body.utf8))
    state.takeVersion(Array(body.utf8))
    state.takeSettings(Array(body.utf8))
    state.takeMetrics(Array(body.utf8))
    #expect(ProgramFindings([state]).all(now: 0).isEmpty)
  }
}

@Suite("What doctor says of locks")
struct LockFindingTests {
  @Test func theHolderIsNamedWithWhatEndsIt() {
    let finding = LockCheck.finding(
      "database of DB_DSN",
      LockCheck.Holder(
        pid: 4711, words: "psql as ann, idle in transaction, statement LOCK", waiting: 2,
        waiters: "payments-server wants payment", longest: .milliseconds(1_500)))
    #expect(
      finding.problem
        == "2 sessions wait for a lock, up to 1s500ms: payments-server wants payment; it is held by psql as "
        + "ann, idle in transaction, statement LOCK, pid 4711")
    #expect(finding.remedy.hasSuffix("SELECT pg_terminate_backend(4711)"))
  }

  @Test func aPreparedTransactionHasNoSessionToEnd() {
    let finding = LockCheck.finding(
      "database of DB_DSN",
      LockCheck.Holder(pid: 0, words: "", waiting: 1, waiters: "payments-cron wants a row", longest: .seconds(1)))
    #expect(finding.problem.hasSuffix("it is held by a prepared transaction"))
    #expect(finding.remedy.contains("pg_prepared_xacts"))
  }
}
