import Values

/// The progress of a long command, as text; the caller passes the time.
struct Progress: Sendable {
  /// Width of the bar, in characters.
  private static let barWidth = 24

  /// What is counted, and what it waits for when nothing moves.
  struct Words: Sendable {
    var unit = "msgs"
    var obstacle = "waiting for the broker"
  }

  let total: Int64
  let start: Instant
  private let words: Words
  private(set) var done: Int64 = 0
  /// When `done` last grew.
  private var lastChange: Instant

  init(total: Int64, start: Instant, words: Words = Words()) {
    precondition(total > 0, "there must be something to do")
    self.total = total
    self.words = words
    self.start = start
    lastChange = start
  }

  mutating func update(done: Int64, at now: Instant) {
    if done > self.done { lastChange = now }
    self.done = done
  }

  /// A bar with numbers, to be rewritten in place.
  func bar(at now: Instant) -> String {
    let filled = Int(Double(Self.barWidth) * Double(done) / Double(total))
    return "[\(String(repeating: "#", count: filled))\(String(repeating: ".", count: Self.barWidth - filled))] "
      + line(at: now)
  }

  /// The numbers alone.
  func line(at now: Instant) -> String {
    var text =
      "\(done.multiplied(saturating: 100) / total)% \(Self.grouped(done))/\(Self.grouped(total))  \(Self.grouped(rate(at: now))) \(words.unit)/s"
    if now - lastChange >= .seconds(3), done < total {
      text += "  \(words.obstacle)"
    } else if let left = remaining(at: now) {
      text += "  ETA \(left)"
    }
    return text
  }

  /// What was done a second since the start.
  func rate(at now: Instant) -> Int64 {
    let seconds = (now - start).inSeconds
    return seconds > 0 ? Int64(saturating: Double(done) / seconds) : 0
  }

  private func remaining(at now: Instant) -> String? {
    guard done > 0, done < total else { return nil }
    let seconds = Int64(saturating: (Double(total - done) * (now - start).inSeconds / Double(done)).rounded(.up))
    if seconds < 60 { return "\(seconds)s" }
    return seconds < 3_600 ? "\(seconds / 60)m\(seconds % 60)s" : "\(seconds / 3_600)h\(seconds / 60 % 60)m"
  }

  /// `1234567` as `1,234,567`.
  static func grouped(_ number: Int64) -> String {
    var text = ""
    for (index, digit) in String(number).reversed().enumerated() {
      if index > 0, index % 3 == 0 { text.append(",") }
      text.append(digit)
    }
    return String(text.reversed())
  }
}
