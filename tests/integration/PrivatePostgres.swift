import Foundation
import Testing

/// A PostgreSQL of the test's own, for tests that stop it; nothing else may use it.
final class PrivatePostgres: Sendable {
  private struct Failure: Error {
    let command: String
    let output: String
  }

  let dsn: String
  private let directory: String
  private let binaries: String

  /// Starts a server on a free loopback port; nil where no server is installed.
  static func start() throws -> PrivatePostgres? {
    let root = "/usr/lib/postgresql"
    let versions = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
    guard let version = versions.compactMap(Int.init).max() else { return nil }
    return try PrivatePostgres(binaries: "\(root)/\(version)/bin")
  }

  private init(binaries: String) throws {
    self.binaries = binaries
    directory = "/tmp/paysaga-pg-\(UUID().uuidString)"
    let port = TCPForwarder.freePort()
    dsn = "postgres://postgres@127.0.0.1:\(port)/postgres?sslmode=disable"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    if getuid() == 0 { try Self.run("/bin/chown", ["postgres:postgres", directory]) }
    try asServerUser("initdb", ["-D", "\(directory)/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"])
    try asServerUser(
      "pg_ctl",
      [
        "start", "-w", "-D", "\(directory)/data", "-l", "\(directory)/log", "-o",
        "-p \(port) -c listen_addresses=127.0.0.1 -c unix_socket_directories=''",
      ])
  }

  /// Kills all server processes without a checkpoint, as a crash would, and starts them again.
  func restartImmediately() throws {
    try asServerUser(
      "pg_ctl", ["restart", "-w", "-m", "immediate", "-D", "\(directory)/data", "-l", "\(directory)/log"])
  }

  func stop() {
    try? asServerUser("pg_ctl", ["stop", "-w", "-m", "immediate", "-D", "\(directory)/data"])
    try? FileManager.default.removeItem(atPath: directory)
  }

  /// PostgreSQL refuses to run as root.
  private func asServerUser(_ tool: String, _ arguments: [String]) throws {
    let command = ["\(binaries)/\(tool)"] + arguments
    guard getuid() == 0 else { return try Self.run(command[0], arguments) }
    try Self.run("/usr/bin/setpriv", ["--reuid=postgres", "--regid=postgres", "--clear-groups"] + command)
  }

  private static func run(_ path: String, _ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: "/")
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    if process.terminationStatus != 0 {
      throw Failure(command: "\(path) \(arguments)", output: "exit \(process.terminationStatus)")
    }
  }
}

extension TCPForwarder {
  /// A loopback port that was free a moment ago.
  static func freePort() -> UInt16 {
    let forwarder = TCPForwarder(to: 1)
    defer { forwarder.close() }
    return forwarder.port
  }
}
