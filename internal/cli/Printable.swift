import Values

/// Foreign text in a form that is safe on a terminal.
func printable(_ text: String) -> String { VisibleText.escaped(text) }

/// A message of any origin in one line: blanks and line breaks, however many, become one blank.
func oneLine(_ text: String) -> String {
  printable(text.split(whereSeparator: \.isWhitespace).joined(separator: " "))
}
