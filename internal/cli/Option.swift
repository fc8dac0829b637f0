/// An option of a command, as `--help` shows it and the parser takes it.
struct Option: Sendable, Hashable {
  /// With its dashes.
  let name: String
  /// Placeholder of the value in `--help`; nil for a flag.
  let value: String?
  let summary: String

  init(_ name: String, _ value: String? = nil, _ summary: String) {
    self.name = name
    self.value = value
    self.summary = summary
  }

  var usage: String { value.map { "\(name) \($0)" } ?? name }

  /// The options that every command takes.
  static let global: [Option] = [
    Option("--config", "FILE", "settings file (KEY=VALUE a line); the environment wins over it"),
    Option("--timeout", "D", "how long a server, database or broker may take to answer, such as 3s"),
    Option("--json", nil, "one JSON object a line, for machines"),
    Option("--help", nil, "show how to use a command"),
    Option("--version", nil, "show the version"),
  ]

  /// Options of the commands that call the server.
  static let server = [
    Option("--server", "HOST:PORT", "the gRPC API to call; default: SERVER_GRPC_ADDR, or 127.0.0.1:8081"),
    Option("--tls-ca", "FILE", "call over TLS; whose certificates to trust, in PEM, or `system` for this machine's"),
    Option("--tls-cert", "FILE", "the certificate to show to the server, in PEM"),
    Option("--tls-key", "FILE", "its private key, in PEM, not encrypted"),
  ]

  static let order = Option("--order", "N", "the order's number, from 1")
}
