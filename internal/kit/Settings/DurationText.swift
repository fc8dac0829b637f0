internal import Values

/// Durations as settings have them: whole numbers with a unit, largest first, such as `500ms`, `10s`, `1h30m`, `7d`.
public enum DurationText {
  private static let units: [(name: String, nanoseconds: Int64)] = [
    ("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000),
    ("ms", 1_000_000),
  ]

  /// Parses a duration; `0` needs no unit. Nil when it is none, or is longer than about 292 years.
  public static func parse(_ text: String) -> Duration? {
    if text == "0" { return .zero }
    var rest = Substring(text)
    var total: Int64 = 0
    var allowed = units[...]
    repeat {
      let digits = rest.prefix { $0.isASCII && $0.isNumber }
      let letters = rest.dropFirst(digits.count).prefix { $0.isLetter }
      guard let count = Int64(digits), let place = allowed.firstIndex(where: { $0.name == letters }) else { return nil }
      let (part, tooLong) = count.multipliedReportingOverflow(by: units[place].nanoseconds)
      let (sum, carried) = total.addingReportingOverflow(part)
      guard !tooLong, !carried else { return nil }
      total = sum
      allowed = units[(place + 1)...]
      rest = rest.dropFirst(digits.count + letters.count)
    } while !rest.isEmpty
    return .nanoseconds(total)
  }

  /// Writes a duration in the form `parse` takes, cut to milliseconds.
  public static func format(_ duration: Duration) -> String {
    var rest = duration.inNanoseconds
    var text = ""
    for unit in units where rest >= unit.nanoseconds {
      text += "\(rest / unit.nanoseconds)\(unit.name)"
      rest %= unit.nanoseconds
    }
    return text.isEmpty ? "0" : text
  }
}
