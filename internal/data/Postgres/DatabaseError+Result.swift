internal import CLibpq

/// The fields of an error's answer; Swift does not import libpq's character macros (postgres_ext.h).
enum ErrorField: UInt8 {
  /// ERROR, FATAL or PANIC, never translated.
  case severity = 0x56  // V
  case sqlState = 0x43  // C
  case message = 0x4D  // M
  case detail = 0x44  // D
  case hint = 0x48  // H
  case context = 0x57  // W
  case constraint = 0x6E  // n
  /// Where in the server's source it was raised.
  case function = 0x52  // R
}

extension Rows {
  func field(_ field: ErrorField) -> String? {
    PQresultErrorField(result, Int32(field.rawValue)).map { String(cString: $0) }
  }
}

extension DatabaseError {
  /// The server's error as it came.
  init(result: Rows) {
    let fields: [ErrorField] = [.detail, .hint, .context]
    let detail = fields.compactMap { field in result.field(field).map { "\(field): \($0)" } }
    self.init(
      .server, result.field(.message) ?? "the server gave no reason", sqlState: result.field(.sqlState),
      constraint: result.field(.constraint), detail: detail.isEmpty ? nil : detail.joined(separator: "; "))
  }

  /// The server no longer has the prepared statement (26000), or refuses its old plan: "cached plan must not change
  /// result type" comes as 0A000, which other errors share, so that a second try is all it justifies.
  var isStalePlan: Bool { code == .server && (sqlState == "26000" || sqlState == "0A000") }
}
