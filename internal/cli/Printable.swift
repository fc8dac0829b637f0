/// Text from elsewhere as it may be put on a terminal: control characters become `?`.
func printable(_ text: String) -> String {
  let isClean = text.unicodeScalars.allSatisfy { !isControl($0) }
  if isClean { return text }
  return String(String.UnicodeScalarView(text.unicodeScalars.map { isControl($0) ? "?" : $0 }))
}

/// A message of any origin in one line: blanks and line breaks, however many, become one blank.
func oneLine(_ text: String) -> String {
  printable(text.split(whereSeparator: \.isWhitespace).joined(separator: " "))
}

/// C0, DEL, C1, and the marks that turn the direction of text around.
private func isControl(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.value {
  case 0..<0x20, 0x7F..<0xA0, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true
  default: false
  }
}
