import Testing
import Values

@testable import CLI

/// Parses a command line as it would be typed.
private func parse(_ line: String) throws(CommandError) -> CommandParser {
  try CommandParser(line.split(separator: " ").map(String.init), commands: Subcommands.usages)
}

/// The one line that a mistake is answered with.
private func complaint(_ line: String) -> String {
  do throws(CommandError) {
    let parser = try parse(line)
    if case .run(let name, let arguments) = parser.outcome { _ = try Subcommands.named(name).init(arguments) }
    return "taken"
  } catch {
    #expect(error.exitStatus == 2)
    return error.message
  }
}

struct CommandParserTests {
  @Test func findsTheCommandAndItsOptions() throws {
    let parser = try parse("push --order 111 --status=CANCELLED --json --config local.env")
    guard case .run(let name, let arguments) = parser.outcome else {
      Issue.record("expected a command")
      return
    }
    #expect(name == "push")
    #expect(try arguments.order() == 111)
    #expect(arguments.text("--status") == "CANCELLED")
    #expect(parser.wantsJSON)
    #expect(parser.configFile == "local.env")
  }

  @Test func takesGlobalOptionsBeforeTheCommand() throws {
    let parser = try parse("--config=a=b.env --json migrate down 3")
    guard case .run("migrate down", let arguments) = parser.outcome else {
      Issue.record("expected migrate down")
      return
    }
    #expect(arguments.operand == "3")
    #expect(parser.configFile == "a=b.env")
  }

  @Test(arguments: ["push", "migrate up", "outbox status", "watch"])
  func showsHowToUseACommand(_ name: String) throws {
    for line in ["\(name) --help", "-h \(name)", "help \(name)"] {
      guard case .help(let text) = try parse(line).outcome else {
        Issue.record("expected help for \(line)")
        continue
      }
      #expect(text.hasPrefix("paysaga \(name): "))
      #expect(text.contains("usage: paysaga \(name)"))
      #expect(text.contains("example:\n  paysaga \(name)"))
    }
  }

  /// Order is kept within a key and topic: decision 65.
  @Test func `the help of a pause says that other topics go on`() throws {
    guard case .help(let text) = try parse("outbox pause --help").outcome else {
      Issue.record("expected help")
      return
    }
    #expect(text.contains("events of the same orders for other topics go on"))
  }

  @Test func listsAllCommandsAndOnlyThose() throws {
    guard case .help(let text) = try parse("--help").outcome else {
      Issue.record("expected help")
      return
    }
    for usage in Subcommands.usages { #expect(text.contains("\n  \(usage.name) ")) }
    #expect(!text.contains("redrive"))
  }

  @Test func everyExampleCanBeTyped() throws {
    for usage in Subcommands.usages {
      let words = usage.example.replacing("\"", with: "").split(separator: " ").dropFirst()
      // The quoted reason of `fail` is two words here.
      let line = words.filter { $0 != "declined" }.joined(separator: " ")
      #expect(complaint(line) == "taken", "\(usage.example)")
    }
  }

  @Test(arguments: [
    ("psuh --order 1", "unknown command \"psuh\"; did you mean push?"),
    ("migrate stauts", "unknown command \"migrate stauts\"; did you mean migrate status?"),
    ("outbox unbury 5", "unknown command \"outbox unbury\"; paysaga --help lists them all"),
    ("bookkeeping", "unknown command \"bookkeeping\"; paysaga --help lists them all"),
    ("migrate", "migrate what? It has up, down, status, roles, grants; see paysaga migrate --help"),
    ("", "no command given; paysaga --help lists them all"),
    ("get --ordr 1", "unknown option --ordr of get; did you mean --order?"),
    ("--order 1 get", "--order comes after the command: paysaga COMMAND --order; paysaga --help"),
    ("get --order", "--order needs a value: --order N"),
    ("get --order --json", "--order needs a value: --order N"),
    ("get --order 1 --order 2", "--order is there twice"),
    ("get --order 1 --json=yes", "--json takes no value"),
    ("get 1", "get takes no \"1\"; see paysaga get --help"),
    ("migrate down 1 2", "migrate down takes no \"2\"; see paysaga migrate down --help"),
  ])
  func saysWhatIsWrong(_ line: String, _ message: String) {
    #expect(complaint(line) == message)
  }

  @Test func takesAnyNumberOfOperandsWhereThatIsMeant() throws {
    guard case .run("outbox requeue", let arguments) = try parse("outbox requeue 5 6 7 --dry-run").outcome else {
      Issue.record("expected outbox requeue")
      return
    }
    #expect(arguments.operands == ["5", "6", "7"])
    #expect(complaint("outbox pause payment inventory").hasPrefix("outbox pause takes no \"inventory\""))
  }

  @Test(arguments: [
    ("outbox requeue", "outbox requeue needs the ids of dead events, or --all; paysaga outbox requeue --help"),
    ("outbox requeue 1 --all", "outbox requeue needs the ids of dead events, or --all; paysaga outbox requeue --help"),
    ("outbox pause a/b", "TOPIC expects 1 to 249 ASCII letters, digits and . _ -, found \"a/b\""),
    ("audit --since soon", "--since expects a time such as 2026-01-31T12:00:00Z or 2h, found \"soon\""),
  ])
  func repairsAndAuditSayWhatIsWrong(_ line: String, _ message: String) {
    #expect(complaint(line) == message)
  }

  @Test func aMomentIsATimeOrHowLongAgo() throws {
    let now = Timestamp(microseconds: 7_200_000_000)
    #expect(try AuditCommand.moment("1h", "--since", now: now).microseconds == 3_600_000_000)
    #expect(try AuditCommand.moment("1970-01-01T00:00:05Z", "--since", now: now).microseconds == 5_000_000)
  }

  @Test(arguments: [
    ("get", "get needs --order; paysaga get --help"),
    ("get --order 0", "--order expects a whole number from 1 to 9223372036854775807, found \"0\""),
    (
      "get --order 9223372036854775808",
      "--order expects a whole number from 1 to 9223372036854775807, "
        + "found \"9223372036854775808\""
    ),
    ("get --order 1 --server 8081", "--server expects HOST:PORT, found \"8081\""),
    (
      "list --status COMPLETE",
      "--status expects one of CREATED, COMPLETED, FAILED, found \"COMPLETE\"; "
        + "did you mean COMPLETED?"
    ),
    ("outbox list --status GONE", "--status expects one of WAIT, DONE, DEAD, found \"GONE\"; did you mean DONE?"),
    ("risk list --verdict hold", "--verdict expects one of allow, review, block, found \"hold\""),
    ("risk list --payment 7", "--payment expects a UUID of 36 characters, found \"7\""),
    (
      "risk list --verdict block --payment d978c560-fdba-4e84-b3f1-b570d8d95e4c",
      "--verdict and --payment exclude each other"
    ),
    ("watch --timeout 5", "--timeout expects a duration such as 500ms, 10s or 1m30s, found \"5\""),
    ("migrate down -1", "unknown option -1 of migrate down; see paysaga migrate down --help"),
    ("push --order 1 --amount-minor 5", "--amount-minor and --currency go together"),
    (
      "push --order 1 --amount-minor -5 --currency EUR",
      "--amount-minor expects a whole number from 0 to 9223372036854775807, found \"-5\""
    ),
    (
      "push --order 1 --amount-minor 5 --currency eur",
      "--currency expects three capital letters such as EUR, found \"eur\""
    ),
    (
      "push --order 1 --status a\u{1}",
      "--status expects 1 to 64 characters, none of them a control character, found \"a\\u0001\""
    ),
    ("push --order 9223372036854775807 --count 2", "--order 9223372036854775807 with --count 2 is too much"),
    (
      "push --order 1 --count 2 --key d978c560-fdba-4e84-b3f1-b570d8d95e4c",
      "--key is for one message; with --count each has a random one"
    ),
  ])
  func refusesValues(_ line: String, _ message: String) {
    #expect(complaint(line) == message)
  }

  @Test(arguments: [
    "push --order 9223372036854775807 --count 1", "push --order 1 --key D978C560-FDBA-4E84-B3F1-B570D8D95E4C",
    "push --order 1 --amount-minor 0 --currency EUR", "list --status created", "outbox list --status dead",
    "risk list --verdict Review --limit 1", "risk list --payment d978c560-fdba-4e84-b3f1-b570d8d95e4c", "risk replay",
    "watch --from Earliest --timeout 1m30s", "migrate down", "get --order 1 --server [::1]:8081",
    "get --json --json --order 1",
  ])
  func takesValues(_ line: String) {
    #expect(complaint(line) == "taken")
  }
}
