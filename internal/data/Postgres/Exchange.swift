/// The bookkeeping of one run: what was sent, in which order, and what was answered.
struct Exchange {
  /// One protocol step that has an answer of its own.
  enum Step {
    /// Throws cached plans away.
    case discardPlans
    /// Puts the configuration's `parameters` in force for the transaction.
    case parameters
    case prepare(command: Int, key: StatementCache.Key)
    case execute(command: Int, isPrepared: Bool)
    case sync
  }

  let commands: [Command]
  let wasInTransaction: Bool
  /// The steps sent so far.
  var steps: [Step] = []
  /// How many steps were answered in full.
  var answeredSteps = 0
  /// Whether the present step has had its result and waits for the end mark.
  var hasResult = false
  /// How many commands were sent.
  var sentCommands = 0
  var syncSent = false
  /// Whether the server was asked to cancel it, as it took too long.
  var isGivenUp = false
  var answers: [Rows] = []
  /// The first error; what follows it is aborted by the server.
  var failure: DatabaseError?

  init(_ commands: [Command], wasInTransaction: Bool) {
    self.commands = commands
    self.wasInTransaction = wasInTransaction
    steps.reserveCapacity(commands.count + 2)
    answers.reserveCapacity(commands.count)
  }

  var isComplete: Bool { syncSent && answeredSteps == steps.count }

  /// The statement that is to be answered next.
  var unansweredStatement: String {
    guard answeredSteps < steps.count else { return "nothing" }
    return switch steps[answeredSteps] {
    case .discardPlans: "DISCARD PLANS"
    case .parameters: "set_config"
    case .prepare(let command, _), .execute(let command, _): commands[command].statement.shortened
    case .sync: "the end of the transaction"
    }
  }

  /// The error to throw when the connection was lost because of `reason`.
  func loss(_ reason: DatabaseError, farewell: Bool) -> DatabaseError {
    let verdict = LossVerdict(
      effects: commands.map(\.statement.effect), wasInTransaction: wasInTransaction, sent: sentCommands,
      syncSent: syncSent, answered: answers.count, serverSaidFarewell: farewell)
    let mayHaveCommitted = verdict.mayHaveCommitted
    return DatabaseError(
      mayHaveCommitted ? .outcomeUnknown : .connectionLost,
      mayHaveCommitted
        ? "connection lost after something that may have committed was sent: \(reason.message)"
        : "connection lost: \(reason.message)",
      sqlState: reason.sqlState, detail: reason.detail, cause: reason.cause, location: reason.location)
  }
}
