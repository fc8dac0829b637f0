/// A name as SQL takes it whatever its characters.
package func quoteIdentifier(_ name: String) -> String { quote(name, by: "\"") }

/// A text as SQL takes it whatever its characters, with `standard_conforming_strings` as it is by default.
package func quoteLiteral(_ text: String) -> String { quote(text, by: "'") }

/// By scalars, as PostgreSQL reads it: a quote and the accent after it are one Character.
private func quote(_ text: String, by mark: Unicode.Scalar) -> String {
  var quoted = String.UnicodeScalarView()
  quoted.append(mark)
  for scalar in text.unicodeScalars {
    if scalar == mark { quoted.append(mark) }
    quoted.append(scalar)
  }
  quoted.append(mark)
  return String(quoted)
}
