import GatewaySchema
import Outbox
import Postgres
import ProcessingSchema
import SagaSchema
import SagaSettings

/// Which outbox a command is about.
struct OutboxChoice {
  static let option = Option(
    "--outbox", "NAME", "saga (the default), gateway or processing: whose events; each has its database and topics")
  static let synopsis = "[--outbox NAME]"

  /// The contexts that have an outbox.
  enum Name: String, CaseIterable { case saga, gateway, processing }

  let name: Name

  init(_ name: Name) { self.name = name }

  init(_ arguments: Arguments) throws(CommandError) {
    name = try arguments.choice("--outbox", Name.self) ?? .saga
  }

  var tables: OutboxTables {
    switch name {
    case .saga: SagaSchema.outbox
    case .gateway: GatewaySchema.outbox
    case .processing: ProcessingSchema.outbox
    }
  }

  /// How the settings of its database begin.
  var prefix: String {
    switch name {
    case .saga: "DB_"
    case .gateway: "GATEWAY_"
    case .processing: "PROCESSING_"
    }
  }

  /// A connection to its database.
  func open(_ session: Session) throws -> Connection {
    try Connection.open(try session.database(of: prefix), logger: session.logger)
  }

  /// The question about the programs that publish its events.
  var programs: String {
    switch name {
    case .saga: "is payments-server or payments-cron running?"
    case .gateway: "is payments-gateway running?"
    case .processing: "is payments-processor running?"
    }
  }

  /// What people ask it.
  func inspection(_ session: Session) -> OutboxInspection {
    let isHolding = name != .saga || session.settings.event.onDead == .hold
    return OutboxInspection(tables, onDead: isHolding ? .hold : .continue)
  }
}
