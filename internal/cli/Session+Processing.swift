import LedgerStore
import Outbox
import Postgres
import ProcessingDomain
import ProcessingSchema
import ProcessingSettings
import ProcessingStore
import RiskDomain
import RiskStore
import SagaSettings
import Settings
import Values

/// Steps of payments, for commands that carry some out on processing's tables.
extension Session {
  /// A connection to processing's tables, past PgBouncer: for temporary tables and whatever belongs to a session.
  func processing() throws -> Connection {
    try Connection.open(try database(of: "PROCESSING_", direct: true), logger: logger)
  }

  /// The topics of direct payments and their groups, as the settings of their programs say.
  func directTopics() throws(SettingsError) -> DirectTopics {
    try given.group(DirectTopics.rows([]), of: DirectTopics(), for: .cli)
  }

  /// The times of the bank, as the settings of the programs that execute payments say.
  func bankRules() throws -> PaymentRules {
    var rules = PaymentRules()
    rules.bankTimeout = try duration("BANK_TIMEOUT") ?? rules.bankTimeout
    rules.bankHorizon = try duration("BANK_HORIZON") ?? rules.bankHorizon
    if let text = given.text("BANK_REVERSAL") {
      guard let hasReversals = Bool(text.lowercased()) else {
        throw CommandError.usage("BANK_REVERSAL: expected true or false")
      }
      rules.hasReversals = hasReversals
    }
    return rules
  }

  private func duration(_ name: String) throws -> Duration? {
    guard let text = given.text(name) else { return nil }
    guard let value = DurationText.parse(text), value >= .zero else {
      throw CommandError.usage("\(name): expected a duration such as 30s or 10m")
    }
    return value
  }

  /// Steps that are decided by these rules. Claims are not for commands.
  /// - Parameters:
  ///   - risk: what counts failures.
  ///   - topic: where results go; nil for the settings' one.
  func paymentSteps(
    _ rules: PaymentRules, risk: RiskRules = .standard, topic: String? = nil, on connection: Connection
  ) throws -> ProcessingStore {
    ProcessingStore(
      ledger: LedgerStore(), risk: RiskBook(rules: risk),
      outbox: OutboxWriter(
        ProcessingSchema.outbox, shards: try ShardMap.load(ProcessingSchema.outbox, on: connection)),
      engine: PaymentEngine(rules: rules), topic: try topic ?? directTopics().results)
  }

  /// Tells the processors' relay that results were written; it looks now and then without it.
  func wakeRelay(on connection: Connection) throws {
    let notify = Statement("SELECT pg_notify($1, '')")
    try connection.run(Command(notify, [.text(ProcessingSchema.outbox.channel)]))
  }
}
