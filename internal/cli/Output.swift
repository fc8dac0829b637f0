import Glibc

/// Standard output, gathered and written in blocks; a terminal gets each line at once. One thread.
final class Output {
  private static let blockSize = 1 << 16

  private var pending: [UInt8] = []
  private let isTerminal = isatty(STDOUT_FILENO) == 1
  private var table = Table()
  let wantsJSON: Bool
  /// The reader went away (`| head`): there is nobody left to print for, which is no failure.
  private(set) var isClosed = false
  /// Any other reason why output cannot be written.
  private(set) var failure: String?

  init(wantsJSON: Bool) { self.wantsJSON = wantsJSON }

  /// Prints a result, for machines or for people; `line` replaces the usual form for the latter.
  func print(_ record: Record, line: String? = nil) {
    if wantsJSON {
      record.appendJSON(to: &pending)
      pending.append(UInt8(ascii: "\n"))
      flushIfDue()
    } else {
      print(printable(line ?? record.line))
    }
  }

  /// Prints results that belong together: on a terminal as a table, elsewhere as `print` prints each.
  func print(rows records: [Record]) {
    guard isTerminal, !wantsJSON else {
      for record in records { print(record) }
      return
    }
    for line in table.lines(records, width: Terminal.size.width) { print(line) }
  }

  func print(_ line: String) {
    pending += line.utf8
    pending.append(UInt8(ascii: "\n"))
    flushIfDue()
  }

  func flush() {
    var rest = pending[...]
    while !rest.isEmpty, !isClosed, failure == nil {
      let written = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      if written >= 0 {
        rest = rest.dropFirst(written)
      } else if errno == EPIPE {
        isClosed = true
      } else if errno != EINTR {
        failure = "cannot write to standard output: \(String(cString: strerror(errno)))"
      }
    }
    pending.removeAll(keepingCapacity: true)
  }

  /// Notices that the reader went away while there is nothing to write, which no write would tell.
  func checkReader() {
    var poll = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
    if Glibc.poll(&poll, 1, 0) == 1, poll.revents & Int16(POLLERR) != 0 { isClosed = true }
  }

  private func flushIfDue() {
    if isTerminal || pending.count >= Self.blockSize { flush() }
  }
}

/// Writes a line for people to standard error.
func notice(_ text: String) { writeToError("\(printable(text))\n") }

/// Writes a line to standard error where people read it, on a terminal; scripts are spared it.
func remark(_ text: String) {
  if isatty(STDERR_FILENO) == 1 { notice(text) }
}

/// Writes to standard error as it is.
func writeToError(_ text: String) {
  let bytes = Array(text.utf8)
  _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
