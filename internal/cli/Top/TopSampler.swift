import HTTPClient
import Kafka
import Runtime
import SagaSettings
import Settings
import Values

/// Looks at programs and databases once a period, each on a thread of its own: one that does not answer holds up
/// nobody.
final class TopSampler: Sendable {
  private struct State {
    var before: ProgramLooks = []
    var programs: ProgramLooks = []
    var programRounds = 0
    var databases: DatabaseLook?
    var databasesAt: Instant?
    var isStopped = false
  }

  /// How long a program, or a statement, may take, unless somebody says otherwise.
  static let patience = Duration.seconds(5)

  private let state = Monitor(State())
  private let inboxes: [String: GroupWatch.Group]
  private let interval: Duration
  private let patience: Duration

  init(
    _ client: AdminClient, _ databases: TopDatabases.Targets, inboxes: [String: GroupWatch.Group],
    every interval: Duration, patience: Duration
  ) {
    self.inboxes = inboxes
    self.interval = interval
    self.patience = patience
    _ = WorkerThread(name: "top-programs") { [self] in
      let http = HTTPClient(HTTPClientConfiguration(userAgent: Program.cli.name))
      defer { http.stop() }
      repeatedly {
        let looks = client.looks(http, timeout: min(patience, max(.seconds(1), interval)))
        state.update { state in
          state.before = state.programs
          state.programs = looks
          state.programRounds += 1
        }
      }
    }
    _ = WorkerThread(name: "top-databases") { [self] in
      let source = TopDatabases(databases)
      defer { source.close() }
      repeatedly {
        let look = source.look()
        state.update { state in
          state.databases = look
          state.databasesAt = .now()
        }
      }
    }
  }

  /// Rounds of looks at the programs so far; the second one has rates.
  var rounds: Int { state.withLock { $0.programRounds } }

  /// What is known now.
  var figures: TopFigures {
    state.withLock { state in
      let now = Instant.now()
      // What was told long ago says nothing of now.
      let silence = state.databasesAt.map { now - $0 } ?? .zero
      var databases = state.databases
      if silence > max(interval + patience, .seconds(10)) {
        databases = DatabaseLook()
        databases?.problems = ["the databases: no answer for \(silence.components.seconds)s"]
      }
      return TopFigures(
        from: state.before, to: state.programs, databases: databases, inboxes: inboxes, at: .now(), interval: interval)
    }
  }

  /// Waits for the rounds of looks at the programs, and for a first one at the databases.
  /// - Returns: whether they came in time.
  func wait(forRounds rounds: Int, until deadline: Instant) -> Bool {
    state.wait(until: deadline) { state in
      state.isStopped || state.programRounds >= rounds && state.databasesAt != nil ? true : nil
    } ?? false
  }

  /// Ends the threads once they are through with what they do, and whoever waits.
  func stop() { state.update { $0.isStopped = true } }

  /// A period begins when the last one should have, or at once when that is past.
  private func repeatedly(_ body: () -> Void) {
    var due = Instant.now()
    while !state.withLock({ $0.isStopped }) {
      body()
      due = max(due + interval, .now())
      _ = state.wait(until: due) { $0.isStopped ? true : nil }
    }
  }
}
