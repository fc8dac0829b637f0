import ClientSettings
import Errors
import Kafka
import Migrator
import Outbox
import Postgres
import SagaSettings
import Settings

/// Any error as one line that says what is wrong and, where it is known, what to do.
func explain(_ error: any Error) -> CommandError {
  switch error {
  case let error as CommandError: return error
  case let error as SettingsError: return .usage(error.description)
  case let error as MigratorError:
    if let cause = error.cause as? DatabaseError { return .failure(error.description + hint(for: cause)) }
    return .failure(error.description)
  case let error as DatabaseError: return .failure(error.description + hint(for: error))
  case let error as KafkaError where error.code == .invalidConfiguration: return .usage(error.description)
  default: return .failure("\(error)")
  }
}

/// The same, and whom it is about where the error does not say it.
func explain(_ error: any Error, in session: Session) -> CommandError {
  let failure = explain(error)
  let servers: [String]
  switch error {
  case is DatabaseError, is MigratorError: servers = session.databases.names
  case is KafkaError: servers = [session.settings.kafka.brokers]
  default: return failure
  }
  guard !servers.isEmpty, !servers.contains(where: { failure.message.contains($0) }) else { return failure }
  return CommandError(kind: failure.kind, message: "\(servers.joined(separator: ", ")): \(failure.message)")
}

private func hint(for error: DatabaseError) -> String {
  switch error.code {
  case .connectionFailed:
    "; is PostgreSQL running, and is DB_DSN (or the context's own) right? `make up` starts the local stack"
  case .server where error.sqlState == "42P01": "; is the schema there? Try paysaga migrate up"
  case .outcomeUnknown: "; look before you do it again: it may have been done"
  default: ""
  }
}
