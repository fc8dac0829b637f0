import Foundation
import Postgres
import Runtime
import Testing
import Values

/// A PostgreSQL of the test's own, for tests that stop it; nothing else may use it.
final class PrivatePostgres: Sendable {
  private struct Failure: Error {
    let command: String
    let status: Int32
  }

  let dsn: String
  private let directory: String
  private let binaries: String
  let port: UInt16
  private let server = Monitor<Process?>(nil)

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
    port = TCPForwarder.freePort()
    dsn = "postgres://postgres@127.0.0.1:\(port)/postgres?sslmode=disable"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    if getuid() == 0 { try Self.finish(Self.spawn("/bin/chown", ["postgres:postgres", directory])) }
    try Self.finish(
      asServerUser("initdb", ["-D", "\(directory)/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]))
    try launch()
  }

  /// Starts the server as a child of the test, so that its end is seen, and waits until it takes connections.
  private func launch() throws {
    let process = try asServerUser(
      "postgres",
      [
        "-D", "\(directory)/data", "-p", "\(port)", "-c", "listen_addresses=127.0.0.1", "-c",
        "unix_socket_directories=",
      ])
    server.update { $0 = process }
    let reconnecting = ReconnectingConnection(
      configuration: try DatabaseConfiguration(dsn: dsn, applicationName: "paysaga-tests"), logger: TestDatabase.quiet)
    _ = try reconnecting.connected(until: .now() + .seconds(30))
    reconnecting.disconnect()
  }

  /// Ends all server processes without a checkpoint (SIGQUIT, "immediate shutdown"), and starts the server again.
  func restartImmediately() throws {
    end()
    try launch()
  }

  /// Stops the process that takes new connections; sessions go on.
  func pause() { server.withLock { $0.map { _ = kill($0.processIdentifier, SIGSTOP) } } }

  func resume() { server.withLock { $0.map { _ = kill($0.processIdentifier, SIGCONT) } } }

  func stop() {
    end()
    try? FileManager.default.removeItem(atPath: directory)
  }

  private func end() {
    guard let process = server.withLock({ $0 }) else { return }
    kill(process.processIdentifier, SIGQUIT)
    process.waitUntilExit()
  }

  /// PostgreSQL refuses to run as root.
  private func asServerUser(_ tool: String, _ arguments: [String]) throws -> Process {
    let command = ["\(binaries)/\(tool)"] + arguments
    guard getuid() == 0 else { return try Self.spawn(command[0], arguments) }
    return try Self.spawn("/usr/bin/setpriv", ["--reuid=postgres", "--regid=postgres", "--clear-groups"] + command)
  }

  private static func spawn(_ path: String, _ arguments: [String]) throws -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: "/")
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    return process
  }

  private static func finish(_ process: Process) throws {
    process.waitUntilExit()
    if process.terminationStatus != 0 {
      throw Failure(command: "\(process.arguments ?? [])", status: process.terminationStatus)
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
