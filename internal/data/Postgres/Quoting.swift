/// A name as SQL takes it whatever its characters.
package func quoteIdentifier(_ name: String) -> String { quote(name, by: "\"") }

/// A text as SQL takes it whatever its characters, with `standard_conforming_strings` as it is by default.
package func quoteLiteral(_ text: String) -> String { quote(text, by: "'") }

private func quote(_ text: String, by mark: Character) -> String {
  "\(mark)" + text.split(separator: mark, omittingEmptySubsequences: false).joined(separator: "\(mark)\(mark)")
    + "\(mark)"
}
