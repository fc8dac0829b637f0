import Glibc
import Values

/// The bytes of a statement, from a file or standard input, a piece at a time.
struct StatementFile: ~Copyable {
  private static let piece = 1 << 18

  /// What is shown and kept as its name: that of the file without its folders.
  let name: String
  /// How many bytes there are; nil when that is not known, as for a pipe.
  let size: Int64?
  private let path: String
  private let descriptor: Int32

  /// - Parameter path: `-` is standard input.
  init(path: String) throws(CommandError) {
    self.path = path
    let isInput = path == "-"
    let last = path.split(separator: "/").last.map(String.init) ?? path
    name = isInput ? "standard input" : String(decoding: last.utf8.suffix(255), as: UTF8.self)
    descriptor = isInput ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Self.failure(path) }
    var status = stat()
    let isFile = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    size = isFile && status.st_size > 0 ? Int64(status.st_size) : nil
  }

  deinit { if descriptor != STDIN_FILENO { close(descriptor) } }

  /// The next bytes; empty at the end.
  func next() throws(CommandError) -> [UInt8] {
    var count = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: Self.piece) { buffer, length in
      repeat { count = read(descriptor, buffer.baseAddress, buffer.count) } while count < 0 && errno == EINTR
      length = max(0, count)
    }
    guard count >= 0 else { throw Self.failure(path) }
    return bytes
  }

  private static func failure(_ path: String) -> CommandError {
    .usage("--statement \(printable(path)): \(String(cString: strerror(errno)))")
  }
}
