import Glibc
import Values

/// `top`: what goes on, as it goes on.
struct Top: Subcommand {
  static let usage = Usage(
    name: "top", summary: "watch throughput, latency, lag, events, payments, bank and webhooks, live",
    operand: "HOST:PORT…",
    takesManyOperands: true,
    options: [
      Option("--interval", "D", "look so often, such as 500ms or 10s; default 2s"),
      Option("--once", nil, "show one period and end"),
    ],
    synopsis: "[HOST:PORT…] [--interval D] [--once]",
    notes: """
      On a terminal a page that fits it, from 80 columns and 24 lines on; q or Ctrl-C ends it. Elsewhere a block of lines
      each period, with an empty line behind it; with --json an object each period.
      The operands are the admin ports of the programs, as for doctor; the databases are those of DB_DSN, GATEWAY_DSN and
      PROCESSING_DSN. Rates and percentiles are those of the last period, over all programs that answer. What nobody tells
      is shown as - (null with --json), and what could not be reached is named as MISSING.
      """,
    example: "paysaga top --interval 5s")

  private static let intervals = Duration.milliseconds(100)...Duration.seconds(3_600)

  private let addresses: [String]
  private let interval: Duration
  private let isOnce: Bool

  init(_ arguments: Arguments) throws(CommandError) {
    addresses = arguments.operands
    interval = try arguments.duration("--interval") ?? .seconds(2)
    guard Self.intervals.contains(interval) else { throw .usage("--interval expects 100ms to 1h") }
    isOnce = arguments.has("--once")
  }

  func run(_ session: Session) throws {
    let draws = !isOnce && !session.wantsJSON && Terminal.isAvailable
    let patience = session.patience(TopSampler.patience)
    let sampler = TopSampler(
      try AdminClient(addresses, session),
      try TopDatabases.Targets(session, patience: patience, logs: !draws),
      inboxes: try ConsumerGroups(session).inboxes, every: interval, patience: patience)
    defer { sampler.stop() }
    session.interruption.handle { sampler.stop() }
    if draws {
      try draw(sampler, session)
    } else {
      print(sampler, session)
    }
  }

  /// A block a period, from the first one on that has rates.
  private func print(_ sampler: TopSampler, _ session: Session) {
    var round = 2
    repeat {
      _ = sampler.wait(forRounds: round, until: .now() + interval + session.patience(TopSampler.patience) * 3)
      if session.interruption.isRequested { return }
      let figures = sampler.figures
      if session.wantsJSON {
        session.output.print(figures.record)
      } else {
        for line in TopPage(figures).lines { session.output.print(printable(line)) }
        if !isOnce { session.output.print("") }
      }
      session.output.flush()
      session.output.checkReader()
      round = sampler.rounds + 1
    } while !isOnce && !session.output.isClosed
  }

  /// Draws a page when there is news, when the window has another size, and when a second is over.
  private func draw(_ sampler: TopSampler, _ session: Session) throws {
    let terminal = try Terminal()
    var drawn: (rounds: Int, size: TopPage.Size, at: Instant)?
    while !session.interruption.isRequested {
      let (rounds, size, now) = (sampler.rounds, Terminal.size, Instant.now())
      if drawn.map({ $0.rounds != rounds || $0.size != size || now - $0.at >= .seconds(1) }) ?? true {
        try terminal.draw(TopPage(sampler.figures).lines(in: size))
        drawn = (rounds, size, now)
      }
      if try terminal.key(within: .milliseconds(100)) == UInt8(ascii: "q") { return }
    }
  }
}
