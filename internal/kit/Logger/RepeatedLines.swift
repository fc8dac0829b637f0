internal import Values

/// Decides which warnings and errors are written, so that a fault that repeats does not flood the log.
///
/// Within a second, of the lines with one level, label and message:
/// - the first is written, and the same line with other fields too, up to `variantLimit`: they name other rows;
/// - the rest is held back, and at the end of the second the last of it is written with the field `repeated`, the
///   number of lines that were held back. That line begins the next second, so a steady fault writes one line a second.
struct RepeatedLines {
  static let window = Duration.seconds(1)
  static let variantLimit = 10
  /// The most texts that are watched; what comes beyond is written.
  static let textLimit = 256

  private struct Text: Hashable {
    let level: LogLevel
    let label: String
    let message: String

    init(_ line: LogLine) {
      level = line.level
      label = line.label
      message = line.message
    }
  }

  private struct Window {
    var end: Instant
    /// Hash values of the fields that were written.
    var written: [Int]
    /// The last line held back; its `repeated` counts them all.
    var held: LogLine?
  }

  private var windows: [Text: Window] = [:]

  /// When the next line that is held back becomes due.
  private(set) var nextDue = Instant.distantFuture

  /// Whether `line` is to be written now; otherwise it is counted. Call `takeDue` first.
  mutating func admit(_ line: LogLine, at now: Instant) -> Bool {
    guard line.level >= .warning else { return true }
    let text = Text(line)
    let fields = Self.hash(line.fields)
    guard var window = windows[text], window.end > now else {
      makeRoom(at: now)
      if windows.count < Self.textLimit { windows[text] = Window(end: now + Self.window, written: [fields]) }
      return true
    }
    let isWritten = !window.written.contains(fields) && window.written.count < Self.variantLimit
    if isWritten {
      window.written.append(fields)
    } else {
      var held = line
      held.repeated = (window.held?.repeated ?? 0) + 1
      window.held = held
      nextDue = min(nextDue, window.end)
    }
    windows[text] = window
    return isWritten
  }

  /// The lines held back whose second is over, oldest first.
  mutating func takeDue(at now: Instant) -> [LogLine] {
    guard nextDue <= now else { return [] }
    let due = windows.filter { $0.value.held != nil && $0.value.end <= now }.sorted { $0.value.end < $1.value.end }
    var lines: [LogLine] = []
    for (text, window) in due {
      guard let held = window.held else { continue }
      lines.append(held)
      windows[text] = Window(end: now + Self.window, written: [Self.hash(held.fields)])
    }
    nextDue = windows.values.filter { $0.held != nil }.map(\.end).min() ?? .distantFuture
    return lines
  }

  /// All lines held back, at the end of the program.
  mutating func takeAll() -> [LogLine] {
    defer { (windows, nextDue) = ([:], .distantFuture) }
    return windows.values.sorted { $0.end < $1.end }.compactMap(\.held)
  }

  private mutating func makeRoom(at now: Instant) {
    if windows.count >= Self.textLimit { windows = windows.filter { $0.value.end > now || $0.value.held != nil } }
  }

  private static func hash(_ fields: Logger.Fields) -> Int {
    var hasher = Hasher()
    for (name, value) in fields {
      hasher.combine(name)
      hasher.combine(value)
    }
    return hasher.finalize()
  }
}
