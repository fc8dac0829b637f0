import Foundation

/// Google's protobuf for Python at the other end: golden/peer.py, run by the Python that `PROTOBUF_PYTHON` names.
struct PythonPeer {
  /// The path of a Python that has the packages protobuf and grpcio-tools, nil when the variable is not set.
  static let python = ProcessInfo.processInfo.environment["PROTOBUF_PYTHON"].flatMap { $0.isEmpty ? nil : $0 }

  struct Failure: Error {
    let message: String
  }

  /// Which of Python's implementations answers: `python`, or `upb`, the one in use everywhere.
  let implementation: String
  private let folder: URL

  init(implementation: String) throws {
    self.implementation = implementation
    folder = FileManager.default.temporaryDirectory.appending(path: "protobuf-peer-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  func remove() { try? FileManager.default.removeItem(at: folder) }

  /// Random messages of Python's: type, hexadecimal, text.
  func emit(seed: Int, count: Int) throws -> [[String]] {
    let out = folder.appending(path: "emitted")
    try run(["emit", "\(seed)", "\(count)", out.path])
    return try lines(of: out)
  }

  /// What Python makes of each `type hex` line: hexadecimal and text, or `error`.
  func check(_ lines: [String]) throws -> [[String]] {
    let input = folder.appending(path: "input")
    let out = folder.appending(path: "checked")
    try (lines.joined(separator: "\n") + "\n").write(to: input, atomically: false, encoding: .utf8)
    try run(["check", input.path, out.path])
    return try self.lines(of: out)
  }

  private func run(_ arguments: [String]) throws {
    guard let python = Self.python else { throw Failure(message: "PROTOBUF_PYTHON is not set") }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: python)
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "golden/peer.py")
    process.arguments = ["-B", script.path] + arguments
    process.environment = ["PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation]
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Failure(message: "peer.py ended with status \(process.terminationStatus)")
    }
  }

  private func lines(of file: URL) throws -> [[String]] {
    try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
      .map { $0.split(separator: " ", omittingEmptySubsequences: false).map(String.init) }
  }
}
