internal import Tracing

/// Who asked for a change of a payment, as the payment's row keeps it in one line: `WHO` or `WHO trace=ID`, where ID is
/// the trace id of W3C Trace Context.
public enum PaymentOrigin {
  /// Who settles a payment that nobody settled in time.
  public static let expiry = "expiry"
  /// Longest line, in bytes.
  public static let longest = 500

  /// - Parameter who: the caller as events name it, or a message's `topic/partition@offset`; cut where the line would
  ///   be too long. Nil when nobody is known: then a trace alone says nothing.
  static func line(_ who: String?, _ trace: TraceContext?) -> String? {
    guard let who else { return nil }
    let mark = trace.map { " trace=\($0.traceparent.dropFirst(3).prefix(32))" } ?? ""
    let room = longest - mark.utf8.count
    if who.utf8.count <= room { return who + mark }
    // Whole characters only: what is cut must stay text.
    var shown = ""
    for character in who where shown.utf8.count + character.utf8.count <= room { shown.append(character) }
    return shown + mark
  }

  /// The trace id in a line; nil when it has none.
  public static func trace(in line: String) -> String? { split(line).trace }

  /// A line without its trace id.
  public static func who(in line: String) -> String { split(line).who }

  private static func split(_ line: String) -> (who: String, trace: String?) {
    let parts = line.split(separator: " ", omittingEmptySubsequences: false)
    guard parts.count > 1, let last = parts.last, last.hasPrefix("trace=") else { return (line, nil) }
    return (parts.dropLast().joined(separator: " "), String(last.dropFirst(6)))
  }
}
