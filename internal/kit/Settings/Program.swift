/// The programs that read settings.
public enum Program: String, Sendable, Hashable, CaseIterable {
  case server = "payments-server"
  case consumer = "payments-consumer"
  case cron = "payments-cron"
  case cli = "paysaga"

  /// The executable's name.
  public var name: String { rawValue }

  /// One line on what it does, for `--help`.
  public var summary: String {
    switch self {
    case .server: "gRPC API of the payments; also runs the cron jobs unless CRON_ENABLED=false"
    case .consumer: "opens a payment for each reserved order of the inventory topic"
    case .cron: "publishes waiting events, expires payments and keeps the event tables in shape"
    case .cli: "command line to the payments, their events and their tables"
    }
  }

  /// The word for it in tables.
  var short: String {
    switch self {
    case .server: "server"
    case .consumer: "consumer"
    case .cron: "cron"
    case .cli: "paysaga"
    }
  }
}

/// What this build calls itself.
public enum BuildInfo {
  /// The version of CHANGELOG.md.
  public static let version = "0.1.0"
}
