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
  let port: UInt16
  private let server = Monitor<Process?>(nil)

  /// Starts a server on a free loopback port; nil where no server is installed.
  static func start() throws -> PrivatePostgres? {
    let directory = "/tmp/paysaga-pg-\(UUID().uuidString)"
    let make = try script("make", directory)
    make.waitUntilExit()
    switch make.terminationStatus {
    case 0: return try PrivatePostgres(directory)
    // EX_UNAVAILABLE of sysexits.h.
    case 69: return nil
    default: throw Failure(command: "\(make.arguments ?? [])", status: make.terminationStatus)
    }
  }

  private init(_ directory: String) throws {
    self.directory = directory
    port = TCPForwarder.freePort()
    dsn = "postgres://payments:payments@127.0.0.1:\(port)/postgres?sslmode=disable"
    try launch()
  }

  /// Starts the server as a child of the test, so that its end is seen, and waits until it takes connections.
  private func launch() throws {
    let process = try Self.script("run", directory, "\(port)")
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

  /// Starts internal/stack/private_postgres.py.
  private static func script(_ arguments: String...) throws -> Process {
    let path = URL(fileURLWithPath: #filePath).appending(path: "../../../internal/stack/private_postgres.py")
      .standardized
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", "-B", path.path] + arguments
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    return process
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
