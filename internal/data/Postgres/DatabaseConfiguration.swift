public import Metrics

/// Where the database is and how connections to it behave. Its description never shows the password.
public struct DatabaseConfiguration: Sendable, CustomStringConvertible, CustomDebugStringConvertible,
  CustomReflectable
{
  /// Whether statements are prepared once a connection. False for PgBouncer in transaction mode: statements are then
  /// unnamed, and `parameters` are set anew in each transaction.
  public var prepared: Bool
  /// What `pg_stat_activity` shows.
  public var applicationName: String
  /// How long one attempt to connect may take, all hosts of the DSN together, each with its share of what is left; name
  /// resolution is not interrupted by it. A `connect_timeout` of the DSN holds instead, for each address of a host.
  public var connectTimeout: Duration
  /// Whether a server that takes no writes is refused and left: a standby, or one with
  /// `default_transaction_read_only=on`.
  public var requiresWriting = true
  /// Hears what sessions were refused.
  public var monitor: WriteMonitor?
  /// Counts the time of every run, from its first byte to its last answer.
  public var runSeconds: Histogram?
  /// Which refusals are the tables' fault though their codes do not say so: such as a constraint that no value of the
  /// program can violate while the tables are in order. They count as refusals of the database for `monitor`.
  public var isFaultOfTables: @Sendable (DatabaseError) -> Bool = { _ in false }
  /// How long a run may take before it is cancelled and the connection closed; a run can set its own.
  public var statementTimeout: Duration
  /// How often cached plans are thrown away, so that a plan made for a small table does not outlive its growth
  /// (a generic plan kept from an empty table took seconds a batch).
  public var planLifetime: Duration
  /// Server settings of the session, such as `idle_in_transaction_session_timeout`. Sent in the startup packet when
  /// `prepared` is on; otherwise, as PgBouncer refuses them there, they hold in each transaction from its first
  /// command on, except in one that is a single writing command.
  public var parameters: [String: String]

  /// Keywords and values for libpq, the password among them.
  let keywords: [(name: String, value: String)]
  private let place: String
  /// Shared by all copies.
  let memory = TargetMemory()

  /// The settings that connections have unless `parameters` says otherwise.
  public static let defaultParameters = [
    "plan_cache_mode": "force_generic_plan",
    "idle_in_transaction_session_timeout": "10s",
    // Compiling a statement of ours takes longer than running it.
    "jit": "off",
    // A statement whose program has died ends with it (PostgreSQL 14 and later, on Linux).
    "client_connection_check_interval": "2s",
  ]

  /// - Parameters:
  ///   - dsn: a URI (`postgres://user:password@host:port/database?sslmode=require`) or `key=value` pairs, as libpq
  ///     reads them (PostgreSQL manual, section 34.1.1). TCP keepalives are switched on unless the DSN sets them.
  ///   - parameters: added to `defaultParameters`, over which they win.
  /// - Throws: `.invalidDSN`; the message never quotes the DSN.
  public init(
    dsn: String, prepared: Bool = true, applicationName: String, connectTimeout: Duration = .seconds(5),
    statementTimeout: Duration = .seconds(30), planLifetime: Duration = .seconds(60),
    parameters: [String: String] = [:]
  ) throws(DatabaseError) {
    precondition(connectTimeout > .zero && statementTimeout > .zero && planLifetime > .zero, "timeouts are above zero")
    let keywords = try parseConnectionString(dsn)
    self.keywords = keywords
    self.prepared = prepared
    self.applicationName = applicationName
    self.connectTimeout = connectTimeout
    self.statementTimeout = statementTimeout
    self.planLifetime = planLifetime
    self.parameters = Self.defaultParameters.merging(parameters) { _, given in given }
    for name in self.parameters.keys where !Self.isParameterName(name) {
      throw DatabaseError(.invalidDSN, "a server parameter's name is letters, digits, '_' and '.', found \"\(name)\"")
    }
    func value(_ name: String) -> String? { keywords.first { $0.name == name }?.value }
    place = "\(value("user") ?? "?")@\(value("host") ?? "local"):\(value("port") ?? "5432")/\(value("dbname") ?? "")"
  }

  /// `connect_timeout` of the DSN, in seconds there; without a limit, as libpq has it, where it is not above zero.
  var timeoutForEach: Duration? {
    guard let text = keywords.first(where: { $0.name == "connect_timeout" })?.value, let seconds = Int32(text) else {
      return nil
    }
    return seconds > 0 ? .seconds(Int64(seconds)) : nil
  }

  private static func isParameterName(_ name: String) -> Bool {
    !name.isEmpty
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."): true
        default: false
        }
      }
  }

  /// What libpq is started with: the DSN over our defaults, and the session's settings as `options`.
  var connectionKeywords: [(name: String, value: String)] {
    var merged = [
      (name: "application_name", value: applicationName),
      (name: "client_encoding", value: "UTF8"),
      (name: "gssencmode", value: "disable"),
      (name: "keepalives", value: "1"),
      (name: "keepalives_idle", value: "10"),
      (name: "keepalives_interval", value: "5"),
      (name: "keepalives_count", value: "3"),
      (name: "tcp_user_timeout", value: "30000"),
    ]
    var options = ""
    for (name, value) in keywords {
      if name == "options" { options = value }
      if let index = merged.firstIndex(where: { $0.name == name }) {
        merged[index].value = value
      } else {
        merged.append((name, value))
      }
    }
    merged.removeAll { $0.name == "options" }
    // A later option wins, so the DSN's own come last.
    let ours =
      prepared ? parameters.sorted { $0.key < $1.key }.map { "-c \($0.key)=\(Self.escapeOption($0.value))" } : []
    let all = (ours + [options]).filter { !$0.isEmpty }.joined(separator: " ")
    if !all.isEmpty { merged.append((name: "options", value: all)) }
    return merged
  }

  /// The same for connections that only look: a standby will do, and what they are refused says nothing about whether
  /// writing works.
  public var forLooking: DatabaseConfiguration {
    var configuration = self
    configuration.requiresWriting = false
    configuration.monitor = nil
    return configuration
  }

  /// Sets `parameters` for the transaction it runs in.
  var parameterStatement: String {
    func quoted(_ text: String) -> String { "'" + text.replacing("'", with: "''") + "'" }
    let calls = parameters.sorted { $0.key < $1.key }.map { "set_config('\($0.key)', \(quoted($0.value)), true)" }
    return "SELECT " + calls.joined(separator: ", ")
  }

  /// In `options` a backslash takes the next character literally, spaces included (PostgreSQL manual, 34.1.2).
  private static func escapeOption(_ value: String) -> String {
    value.reduce(into: "") { text, character in
      if character == " " || character == "\\" { text.append("\\") }
      text.append(character)
    }
  }

  public var description: String { place }
  public var debugDescription: String { place }
  public var customMirror: Mirror { Mirror(self, children: ["place": place]) }
}
