import GatewayStore
import Logger
import Outbox
import Postgres
import ProcessingStore
import Values

/// What the databases told when they were looked at.
struct DatabaseLook: Sendable {
  /// How an outbox stands.
  struct Outbox: Sendable {
    let name: String
    let status: OutboxStatus
    let holdings: [ShardHolding]
  }

  /// Those whose tables are there.
  var outboxes: [Outbox] = []
  /// Direct payments that wait for something; nil where it could not be told.
  var open: OpenCounts?
  /// Exceptions of direct payments that wait for a person; nil where it could not be told.
  var exceptions: Int?
  /// Dead letters of direct payments that wait for a person; nil where it could not be told.
  var deadLetters: Int64?
  /// What could not be looked at, and why.
  var problems: [String] = []
}

/// Looks at the databases again and again, over one connection each. One thread.
final class TopDatabases {
  /// The databases to look at.
  struct Targets: Sendable {
    var logger: Logger
    var databases: [OutboxChoice.Name: DatabaseConfiguration] = [:]
    var inspections: [OutboxChoice.Name: OutboxInspection] = [:]

    /// - Parameters:
    ///   - patience: how long a connection, and an answer, may take.
    ///   - logs: whether the log may be written; problems are part of the look in any case.
    init(_ session: Session, patience: Duration, logs: Bool) throws {
      logger = logs ? session.logger : Logger(label: "top") { _ in }
      for name in OutboxChoice.Name.allCases {
        let choice = OutboxChoice(name)
        var database = try session.database(of: choice.prefix)
        (database.connectTimeout, database.statementTimeout) = (patience, patience)
        databases[name] = database
        inspections[name] = choice.inspection(session)
      }
    }
  }

  private let targets: Targets
  private var connections: [OutboxChoice.Name: Connection] = [:]

  init(_ targets: Targets) { self.targets = targets }

  func close() { for connection in connections.values { connection.close() } }

  func look() -> DatabaseLook {
    var look = DatabaseLook()
    // Contexts that share a database share its silence.
    var silent: Set<String> = []
    for name in OutboxChoice.Name.allCases {
      guard let database = targets.databases[name], let inspection = targets.inspections[name],
        !silent.contains("\(database)")
      else { continue }
      do throws(DatabaseError) {
        let connection = try connection(name, database)
        try Self.tolerate {
          () throws(DatabaseError) in
          look.outboxes.append(
            DatabaseLook.Outbox(
              name: name.rawValue, status: try inspection.status(on: connection),
              holdings: try inspection.holdings(on: connection)))
        }
        try Self.tolerate { () throws(DatabaseError) in try Self.lookAtPayments(name, connection, &look) }
      } catch {
        connections.removeValue(forKey: name)?.close()
        if error.sqlState == nil { silent.insert("\(database)") }
        look.problems.append("\(name.rawValue) at \(database): \(error)")
      }
    }
    return look
  }

  private func connection(
    _ name: OutboxChoice.Name, _ database: DatabaseConfiguration
  ) throws(DatabaseError) -> Connection {
    if let known = connections[name], known.isUsable { return known }
    let opened = try Connection.open(database, logger: targets.logger)
    connections[name] = opened
    return opened
  }

  private static func lookAtPayments(
    _ name: OutboxChoice.Name, _ connection: Connection, _ look: inout DatabaseLook
  ) throws(DatabaseError) {
    switch name {
    case .saga: break
    case .gateway: look.deadLetters = try DeadLetterStore(GatewayTables()).waiting(on: connection).count
    case .processing:
      look.open = try OpenCounts.read(on: connection)
      look.exceptions = try ExceptionStore().counts(on: connection).values.reduce(0, +)
    }
  }

  /// Leaves out what is not there: not everybody has direct payments.
  private static func tolerate(_ body: () throws(DatabaseError) -> Void) throws(DatabaseError) {
    do throws(DatabaseError) {
      try body()
    } catch {
      guard let state = error.sqlState, state == "42P01" || state == "3F000" else { throw error }
    }
  }
}
