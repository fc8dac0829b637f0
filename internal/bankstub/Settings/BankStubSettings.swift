public import Settings
public import Values

extension Program {
  /// The imitated bank.
  public static let bankStub = Program(
    name: "bankstub", short: "bankstub", summary: "imitates the bank, with delays and faults; for development and tests"
  )
}

/// The settings of the bank stub. How the bank behaves is no setting: its control endpoint changes that.
public struct BankStubSettings: ServiceSettings {
  /// `BANKSTUB_ADDR`: where callers find it.
  public var address = NetworkAddress(host: "127.0.0.1", port: 0)
  /// `BANKSTUB_FILE`: the operations.
  public var file = ""
  /// Log, admin endpoint and shutdown.
  public var service = ServiceOptions(shutdownSetting: "BANKSTUB_SHUTDOWN_TIMEOUT")

  /// The values before any row is read.
  public init(program: Program) {}

  /// There is nothing to derive.
  public mutating func finish() {}

  private static let programs: [Program] = [.bankStub]

  /// `--help`, the table in docs/settings.md and every check come from this table.
  public static let table = SettingsTable<BankStubSettings>(
    programs: programs, prefixes: ["BANKSTUB_", "LOG_", "ADMIN_"],
    [
      [
        .listener(
          "BANKSTUB_ADDR", \.address, .value("127.0.0.1:9002"), programs,
          "listen address of `/payment`, `/statement` and `/control` (HTTP, no credentials)"),
        .text(
          "BANKSTUB_FILE", \.file, rule: "the path of a file", { !$0.isEmpty && !$0.utf8.contains(0) },
          .value("bankstub.ndjson"), programs, "file with the bank's operations; made where it is missing"),
      ],
      [
        ServiceOptions.shutdownRow("BANKSTUB_SHUTDOWN_TIMEOUT", programs, "drain time after SIGTERM for answers")
          .within(\.service)
      ],
      ServiceOptions.rows(adminAddress: .value("127.0.0.1:9107"), programs, services: programs).within(\.service),
    ].flatMap { $0 })
}
