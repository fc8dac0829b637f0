import Foundation
package import Values

/// A JSON document as a value, as far as our scanner and Foundation can both tell it.
package indirect enum JSONTree: Equatable {
  case object([String: JSONTree])
  case array([JSONTree])
  case string([UInt8])
  case integer(Int64)
  case otherNumber
  case bool(Bool)
  case null

  /// Reads a text with our scanner.
  package static func read(_ text: [UInt8]) throws(JSONError) -> JSONTree {
    var scanner = try JSONScanner(text, maximumBytes: 1 << 20)
    let tree = try read(&scanner)
    try scanner.end()
    return tree
  }

  /// Passes a text with our scanner without reading its values.
  package static func skip(_ text: [UInt8]) throws(JSONError) {
    var scanner = try JSONScanner(text, maximumBytes: 1 << 20)
    try scanner.skipValue()
    try scanner.end()
  }

  private static func read(_ scanner: inout JSONScanner) throws(JSONError) -> JSONTree {
    switch try scanner.peek() {
    case .object:
      var members: [String: JSONTree] = [:]
      try scanner.beginObject()
      while let key = try scanner.nextKey() {
        let value = try read(&scanner)
        // Only what was passed over may come again.
        members[key] = members[key] ?? value
      }
      return .object(members)
    case .array:
      var elements: [JSONTree] = []
      try scanner.beginArray()
      while try scanner.nextElement() { elements.append(try read(&scanner)) }
      return .array(elements)
    case .string: return .string(Array(try scanner.string().utf8))
    case .number:
      var ahead = scanner
      if let value = try? ahead.integer() {
        scanner = ahead
        return .integer(value)
      }
      try scanner.skipValue()
      return .otherNumber
    case .bool: return .bool(try scanner.bool())
    case .null:
      let isNull = try scanner.null()
      precondition(isNull, "peek has seen a null")
      return .null
    }
  }

  /// Reads a text with Foundation; nil when that refuses it.
  package init?(foundation text: [UInt8]) {
    guard let value = try? JSONSerialization.jsonObject(with: Data(text), options: .fragmentsAllowed) else {
      return nil
    }
    self.init(value)
  }

  private init(_ value: Any) {
    switch value {
    case let members as [String: Any]: self = .object(members.mapValues { JSONTree($0) })
    case let elements as [Any]: self = .array(elements.map { JSONTree($0) })
    case let text as String: self = .string(Array(text.utf8))
    case let number as NSNumber: self = JSONTree(number)
    default: self = .null
    }
  }

  private init(_ number: NSNumber) {
    let type = String(cString: number.objCType)
    if type == "c" || type == "B" {
      self = .bool(number.boolValue)
    } else {
      // The type tells little: Foundation makes a decimal of a long integer.
      self = Int64(number.stringValue).map { .integer($0) } ?? .otherNumber
    }
  }

  /// Whether Foundation's reading is ours; a number we only pass over may be any number there.
  package func matches(_ theirs: JSONTree) -> Bool {
    switch (self, theirs) {
    case (.object(let mine), .object(let other)):
      mine.count == other.count && mine.allSatisfy { key, value in other[key].map(value.matches) ?? false }
    case (.array(let mine), .array(let other)):
      mine.count == other.count && zip(mine, other).allSatisfy { $0.matches($1) }
    // It may also be there twice, and Foundation takes the last.
    case (.otherNumber, _): true
    default: self == theirs
    }
  }

  /// Whether there is a number in it that we only pass over.
  package var hasOtherNumber: Bool {
    switch self {
    case .object(let members): members.values.contains { $0.hasOtherNumber }
    case .array(let elements): elements.contains { $0.hasOtherNumber }
    case .otherNumber: true
    default: false
    }
  }

  /// Texts that we refuse on purpose and Foundation accepts.
  package static func isStricterRule(_ error: JSONError, _ text: [UInt8]) -> Bool {
    switch error.code {
    case .duplicateField, .tooDeep, .tooManyFields, .byteOrderMark: true
    // Foundation takes a comma after the last member, and UTF-16 and UTF-32, which it tells by their zero bytes.
    case .unexpectedByte:
      text[error.offset] == 0
        || "]}".utf8.contains(text[error.offset])
          && text[..<error.offset].last { ![0x20, 0x0A, 0x0D, 0x09].contains($0) } == UInt8(ascii: ",")
    default: false
    }
  }
}
