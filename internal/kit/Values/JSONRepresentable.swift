/// A value that can be written as JSON text (RFC 8259). A type of a module's own conforms to be a field's value.
public protocol JSONRepresentable {
  /// Appends the value as one JSON value, without white space around it.
  func appendJSON(to bytes: inout [UInt8])
}

extension String: JSONRepresentable {
  /// Appends a string in quotes, escaped as `JSONWriter.appendString` does it.
  public func appendJSON(to bytes: inout [UInt8]) { JSONWriter.appendString(self, to: &bytes) }
}

extension Int64: JSONRepresentable {
  /// Appends a decimal integer.
  public func appendJSON(to bytes: inout [UInt8]) { JSONWriter.appendInteger(self, to: &bytes) }
}

extension Int: JSONRepresentable {
  /// Appends a decimal integer.
  public func appendJSON(to bytes: inout [UInt8]) { JSONWriter.appendInteger(Int64(self), to: &bytes) }
}

extension Double: JSONRepresentable {
  /// Appends the shortest decimal that reads back as this number; JSON has no infinity and no NaN: they become `null`.
  public func appendJSON(to bytes: inout [UInt8]) { bytes += (isFinite ? "\(self)" : "null").utf8 }
}

extension Bool: JSONRepresentable {
  /// Appends `true` or `false`.
  public func appendJSON(to bytes: inout [UInt8]) { bytes += (self ? "true" : "false").utf8 }
}

extension UniqueID: JSONRepresentable {
  /// Appends the 36-character lower-case form in quotes.
  public func appendJSON(to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    append(to: &bytes)
    bytes.append(UInt8(ascii: "\""))
  }
}

extension Timestamp: JSONRepresentable {
  /// Appends `description` in quotes.
  public func appendJSON(to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    append(to: &bytes)
    bytes.append(UInt8(ascii: "\""))
  }
}

extension Optional: JSONRepresentable where Wrapped: JSONRepresentable {
  /// Appends the value; `null` when there is none.
  public func appendJSON(to bytes: inout [UInt8]) {
    if let self { self.appendJSON(to: &bytes) } else { bytes += "null".utf8 }
  }
}

extension Array: JSONRepresentable where Element: JSONRepresentable {
  /// Appends the elements in their order, in brackets.
  public func appendJSON(to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "["))
    for (index, element) in enumerated() {
      if index > 0 { bytes.append(UInt8(ascii: ",")) }
      element.appendJSON(to: &bytes)
    }
    bytes.append(UInt8(ascii: "]"))
  }
}
