internal import Values

/// The header field `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date.
enum RetryAfter {
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// How long to wait; nil for what is neither, and zero for a moment that is over.
  static func parse(_ text: String, now: Timestamp) -> Duration? {
    let digits = text.utf8.prefix { (0x30...0x39).contains($0) }
    // More than nine digits are longer than anybody waits.
    if !digits.isEmpty, digits.count == text.utf8.count, digits.count <= 9 {
      return .seconds(Int64(text) ?? 0)
    }
    guard let moment = date(text) else { return nil }
    return .microseconds(max(0, moment.microseconds - now.microseconds))
  }

  /// IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`; nobody writes the obsolete forms.
  private static func date(_ text: String) -> Timestamp? {
    let parts = text.split(separator: " ", omittingEmptySubsequences: false)
    guard parts.count == 6, parts[0].utf8.count == 4, parts[0].hasSuffix(","), parts[5] == "GMT",
      let month = months.firstIndex(of: String(parts[2])), parts[1].utf8.count == 2, parts[3].utf8.count == 4
    else { return nil }
    let number = month + 1 < 10 ? "0\(month + 1)" : "\(month + 1)"
    return Timestamp("\(parts[3])-\(number)-\(parts[1])T\(parts[4])Z")
  }
}
