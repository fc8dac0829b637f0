/// What a fuzz target found: a promise about an input that did not hold. A trap is a find too, without one.
package struct FuzzFinding: Error, CustomStringConvertible {
  package let description: String

  init(_ description: String) { self.description = description }
}

/// A place where bytes of strangers come in. Each target takes any bytes, and checks more than that nothing crashes.
package enum FuzzTarget: String, CaseIterable, Sendable {
  /// Messages of every type: the first byte says which.
  case protobuf
  /// A JSON text, an inventory message, and an amount of money.
  case json
  /// What a gRPC client may send after the preface of HTTP/2; the first byte says in pieces of how many bytes.
  case http2
  /// A settings file, and the values that it may hold.
  case settings
  /// An address of PostgreSQL or Redis.
  case addresses
  /// A record of the inventory topic: its numbers, its value and its headers.
  case records
  /// A record of the dead-letter topic, and the note of what was put back.
  case letters
  /// The values of `traceparent`.
  case trace
  /// The header fields of a call.
  case metadata
  /// What is sent to the admin endpoint.
  case admin
  /// What is sent to an HTTP server.
  case http
  /// What the bank answers.
  case bank
  /// A request for a direct payment, or the parameters of their list.
  case requests
  /// Rules, features and counts of risk.
  case risk
  /// A bank's statement.
  case statements
  /// A body for the surfaces of older systems.
  case surfaces

  /// Plays one input. Callable on any thread, on several at once.
  package func run(_ input: [UInt8]) throws(FuzzFinding) {
    switch self {
    case .protobuf: try ProtobufTarget.run(input)
    case .json: try JSONTarget.run(input)
    case .http2: try HTTP2Target.run(input)
    case .settings: try SettingsTarget.run(input)
    case .addresses: try AddressesTarget.run(input)
    case .records: try RecordsTarget.run(input)
    case .letters: try LettersTarget.run(input)
    case .trace: try TraceTarget.run(input)
    case .metadata: try MetadataTarget.run(input)
    case .admin: try AdminTarget.run(input)
    case .http: try HTTPServerTarget.run(input)
    case .bank: try BankTarget.run(input)
    case .requests: try RequestsTarget.run(input)
    case .risk: try RiskTarget.run(input)
    case .statements: try StatementsTarget.run(input)
    case .surfaces: try SurfacesTarget.run(input)
    }
  }
}

/// Fails the input unless `condition` holds.
func require(_ condition: Bool, _ promise: @autoclosure () -> String) throws(FuzzFinding) {
  if !condition { throw FuzzFinding(promise()) }
}
