internal import Synchronization

/// One SQL statement with `$1`, `$2` … for its parameters; make it once and keep it, best as a `static let`.
///
/// A connection prepares it at its first use there, in the same round trip.
public struct Statement: Sendable, CustomStringConvertible {
  /// What the statement does to the transaction it runs in.
  enum Effect: Sendable { case begins, commits, rollsBack, reads, mayWrite }

  private static let lastID = Atomic<UInt64>(0)

  /// The SQL text.
  public let sql: String
  let id: UInt64
  let effect: Effect

  /// - Parameters:
  ///   - sql: exactly one statement.
  ///   - isReadOnly: promises that the statement changes nothing; losing the connection in an implicit transaction of
  ///     such statements alone is then `connectionLost` instead of `outcomeUnknown`.
  public init(_ sql: String, isReadOnly: Bool = false) {
    self.sql = sql
    id = Self.lastID.wrappingAdd(1, ordering: .relaxed).newValue
    effect = Self.transactionEffect(of: sql) ?? (isReadOnly ? .reads : .mayWrite)
  }

  public var description: String { sql }

  /// Its beginning on one line, for a log: parameters are apart, so that no data shows.
  var shortened: String { Self.shorten(sql) }

  static func shorten(_ sql: String) -> String {
    let line = sql.prefix(200).split(whereSeparator: \.isWhitespace).joined(separator: " ")
    return line.count > 80 ? line.prefix(80) + "…" : line
  }

  private static func transactionEffect(of sql: String) -> Effect? {
    let words = sql.split(whereSeparator: { $0.isWhitespace || $0 == ";" }).prefix(3).map { $0.uppercased() }
    switch words.first {
    case "BEGIN", "START": return .begins
    case "COMMIT", "END": return .commits
    case "ROLLBACK", "ABORT": return words.contains("TO") ? nil : .rollsBack
    default: return nil
    }
  }
}

/// A statement with its parameters, ready to run.
public struct Command: Sendable {
  /// The SQL.
  public let statement: Statement
  /// The values of `$1`, `$2` and so on.
  public let parameters: [Parameter]

  /// - Parameter parameters: as many as the statement has placeholders.
  public init(_ statement: Statement, _ parameters: [Parameter] = []) {
    self.statement = statement
    self.parameters = parameters
  }

  /// Opens a transaction.
  public static let begin = Command(Statement("BEGIN"))
  /// Opens a transaction that only reads, all of it in the snapshot of its first statement.
  public static let beginSnapshot = Command(Statement("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"))
  /// Ends the transaction and keeps its effects.
  public static let commit = Command(Statement("COMMIT"))
  /// Ends the transaction and drops its effects.
  public static let rollback = Command(Statement("ROLLBACK"))
}
