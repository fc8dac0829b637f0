public import Bank
internal import Cards
public import ClientSettings
internal import Errors
internal import LedgerStore
internal import Logger
public import Outbox
public import Postgres
internal import ProcessingDomain
internal import ProcessingSchema
public import ProcessingSettings
internal import ProcessingStore
public import RiskStore
public import Service
public import Tracing

/// A processor and its bank, as the settings of a program say.
public struct ExecutionParts: Sendable {
  /// Starts before the processor and stops after it.
  public let bank: BankClient
  /// The processor.
  public let processor: PaymentProcessor
  /// Scores requests that are not executed, by the same rules.
  public let scoring: RiskScoring

  /// Makes both.
  /// - Parameters:
  ///   - database: with processing's tables, which are there.
  ///   - shards: how the keys of its outbox are spread.
  ///   - topic: where results go.
  ///   - traces: those of the payments that this process is at.
  ///   - onCommit: called on any thread after commits that may have written results; must not block.
  /// - Throws: `DatabaseError` for a DSN that cannot be read.
  public init(
    _ options: ProcessorOptions, _ role: PaymentProcessor.Role, database: ProgramDatabase, shards: ShardMap,
    topic: String, traces: TraceBook, context: ProgramContext, onCommit: @escaping @Sendable () -> Void
  ) throws(DatabaseError) {
    var configuration = BankConfiguration(url: options.bankURL)
    configuration.timeout = options.rules.bankTimeout
    configuration.maximumCalls = options.bankCalls
    if !options.bankAuthorities.isEmpty { configuration.certificateAuthorities = options.bankAuthorities }
    bank = BankClient(
      configuration, logger: context.logger.labelled("bank"), metrics: context.metrics, traces: traces)
    SecretMemory.whenNotLocked { [logger = context.logger] reason in
      logger.warning(
        "the memory of card numbers cannot be locked and may be swapped out: raise the limit (ulimit -l)",
        ["reason": .string(reason)])
    }
    let logger = context.logger.labelled("risk")
    let ledger = LedgerStore()
    let risk = RiskBook(rules: options.risk.rules, failure: options.risk.failure) { error in
      logger.warning("risk does without its tables", ["error": .error(error)])
    }
    scoring = RiskScoring(book: risk)
    let store = ProcessingStore(
      ledger: ledger, risk: risk,
      outbox: OutboxWriter(ProcessingSchema.outbox, shards: shards), engine: PaymentEngine(rules: options.rules),
      topic: topic, traces: traces)
    processor = PaymentProcessor(
      options, role, store: store, ledger: ledger, leases: OwnerLeases(), bank: bank,
      // A row that somebody holds for long fails the steps on it, not everybody's.
      database: try database.indexed(role: "steps", lockTimeout: .seconds(1)), program: context.instance,
      logger: context.logger, metrics: context.metrics, onCommit: onCommit)
  }
}
