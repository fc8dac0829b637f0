internal import BankStubDomain
internal import Glibc

/// The file that keeps the bank's operations: a line for each change, of which the last one counts. For one thread at a
/// time.
final class BankJournal: Sendable {
  private let path: String
  private let descriptor: Int32
  private let sync: @Sendable (_ descriptor: Int32) -> Int32

  /// Opens the file, made where it is missing.
  /// - Parameter sync: brings what was written to disk; 0 when it is there.
  /// - Throws: with the path and the system's words.
  init(path: String, sync: @escaping @Sendable (_ descriptor: Int32) -> Int32) throws(BankStubError) {
    self.path = path
    self.sync = sync
    descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw BankStubError.file(path) }
  }

  deinit { close(descriptor) }

  /// The operations in the file; later ones of the same id replace earlier ones. Before anything is appended.
  func operations() throws(BankStubError) -> [BankOperation] {
    var operations: [BankOperation] = []
    var line: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      guard count >= 0 else { throw BankStubError.file(path) }
      if count == 0 { break }
      for byte in buffer[..<count] {
        if byte != UInt8(ascii: "\n") {
          line.append(byte)
          continue
        }
        if let operation = BankOperation(line: line) { operations.append(operation) }
        line = []
      }
    }
    // A crash may have cut the last line: what follows must begin a new one.
    if !line.isEmpty { try append([[]]) }
    return operations
  }

  /// Appends lines, and has them on disk when it returns.
  func append(_ lines: [[UInt8]]) throws(BankStubError) {
    var bytes: [UInt8] = []
    for line in lines { bytes += line + [UInt8(ascii: "\n")] }
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress! + written, bytes.count - written) }
      guard count > 0 else { throw BankStubError.file(path) }
      written += count
    }
    guard sync(descriptor) == 0 else { throw BankStubError.file(path) }
  }
}
