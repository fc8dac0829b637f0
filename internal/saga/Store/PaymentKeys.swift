internal import Idempotency
public import Postgres
internal import SagaDomain
public import Values

/// The keys that CreatePayment was called under, each with the payment that was answered.
public struct PaymentKeys: Sendable {
  private static let name = "idempotency_key"
  /// Keys are scoped by the method they were used with.
  private static let scope = "CreatePayment"

  /// The table's days.
  public static let days = IdempotencyKeyTable.days(of: name)
  /// How many days are made ahead of today.
  public static let daysAhead = IdempotencyKeyTable.daysAhead

  private let table: IdempotencyKeyTable

  /// - Parameters:
  ///   - retention: how long a key is known after its use, in whole days.
  ///   - clock: the present moment, for tests; the database's own clock when nil.
  public init(retention: Duration, clock: (@Sendable () -> Timestamp)? = nil) {
    table = IdempotencyKeyTable(name: Self.name, retention: retention, clock: clock)
  }

  /// Makes the day tables that are missing.
  func makeDays(on connection: Connection) throws(DatabaseError) { try table.makeDays(on: connection) }

  /// The commands, right after BEGIN, that lock keys and look them up; `states` reads their answers.
  /// - Parameter waits: waits for transactions that use the keys instead of passing over them.
  func lockAndFind(_ keys: [IdempotencyKey], waits: Bool) -> [Command] {
    table.lockAndFind(keys.map(Self.scoped), waits: waits)
  }

  /// Reads the answers to `lockAndFind`.
  func states(_ keys: [IdempotencyKey], waits: Bool, locked: Rows, found: Rows) throws(DatabaseError) -> KeyStates {
    let findings = try table.findings(keys.map(Self.scoped), waits: waits, locked: locked, found: found)
    var states = Self.states(keys, findings.answers)
    for key in keys where findings.inFlight.contains(Self.scoped(key)) { states.inFlight.insert(key) }
    return states
  }

  /// The command that looks keys up; `answers` reads its answer.
  func find(_ keys: [IdempotencyKey]) -> Command { table.find(keys.map(Self.scoped)) }

  /// Reads the answer to `find`.
  func answers(_ keys: [IdempotencyKey], found: Rows) throws(DatabaseError) -> KeyStates {
    Self.states(keys, try table.answers(keys.map(Self.scoped), found: found))
  }

  /// The command that keeps answers.
  func insert(_ answers: [KeyedAnswer]) -> Command {
    table.insert(
      answers.map { answer in
        KeptAnswer(
          key: Self.scoped(answer.key), fingerprint: String(decoding: answer.fingerprint, as: UTF8.self),
          answer: PaymentAnswer.write(answer.payment))
      })
  }

  private static func scoped(_ key: IdempotencyKey) -> ScopedKey { ScopedKey(scope: scope, text: key.text) }

  private static func states(_ keys: [IdempotencyKey], _ found: [ScopedKey: KeptAnswer]) -> KeyStates {
    var states = KeyStates()
    guard !found.isEmpty else { return states }
    for key in keys {
      guard let kept = found[scoped(key)] else { continue }
      do throws(PaymentError) {
        states.answered[key] = KeyedAnswer(
          key: key, fingerprint: Array(kept.fingerprint.utf8), payment: try PaymentAnswer.read(kept.answer))
      } catch {
        states.unreadable[key] = error
      }
    }
    return states
  }
}
