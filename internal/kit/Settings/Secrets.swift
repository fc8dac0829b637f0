internal import Values

/// Masks secrets in messages.
enum Secrets {
  static let mask = "***"

  /// The value of a setting that holds no secret as messages may show it. Somebody may have put an address or a key
  /// there by mistake: passwords are masked all the same.
  static func shown(_ value: String) -> String {
    if value.contains("-----BEGIN") { return mask }
    let text = DataSourceName.masked(value)
    return VisibleText.escaped(text.count <= 200 ? text : "\(text.prefix(200))…")
  }
}
