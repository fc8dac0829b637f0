internal import Values

/// The body of a form (`application/x-www-form-urlencoded`), read where it lies: a secret field never becomes text.
///
/// The body's owner erases it when the form is read.
struct FormBody {
  /// Why a body is no form.
  enum Fault: Error { case malformed }

  /// The most fields of a form.
  private static let maximumFields = 64

  private let bytes: [UInt8]
  private var fields: [String: Range<Int>] = [:]

  /// - Throws: for a percent sign without two digits, a field that comes twice, and too many fields.
  init(_ bytes: [UInt8]) throws(Fault) {
    self.bytes = bytes
    var start = 0
    while start < bytes.count {
      let end = bytes[start...].firstIndex(of: UInt8(ascii: "&")) ?? bytes.count
      if start < end { try add(start..<end) }
      start = end + 1
    }
  }

  private mutating func add(_ range: Range<Int>) throws(Fault) {
    let sign = bytes[range].firstIndex(of: UInt8(ascii: "=")) ?? range.upperBound
    // Names are ours: letters and underscores, which browsers do not encode.
    let name = String(decoding: bytes[range.lowerBound..<sign], as: UTF8.self)
    let value = min(sign + 1, range.upperBound)..<range.upperBound
    guard fields.count < Self.maximumFields, fields[name] == nil, isEncoded(value) else { throw .malformed }
    fields[name] = value
  }

  private func isEncoded(_ range: Range<Int>) -> Bool {
    range.allSatisfy { place in
      bytes[place] != UInt8(ascii: "%")
        || place + 2 < range.upperBound && Hexadecimal.value(of: bytes[place + 1]) != nil
          && Hexadecimal.value(of: bytes[place + 2]) != nil
    }
  }

  /// The text of a field without blanks around it; nil for an empty or absent one.
  func text(_ name: String) -> String? {
    var decoded: [UInt8] = []
    forEachByte(of: name) { decoded.append($0) }
    let blanks: [UInt8] = [0x20, 0x09, 0x0A, 0x0D]
    let trimmed = decoded.drop { blanks.contains($0) }.reversed().drop { blanks.contains($0) }.reversed()
    return trimmed.isEmpty ? nil : String(decoding: trimmed, as: UTF8.self)
  }

  /// Whether the field has a byte.
  func has(_ name: String) -> Bool { fields[name].map { !$0.isEmpty } ?? false }

  /// Appends a field as a JSON string, without going through text of ours. Where it lies in memory is the caller's:
  /// `bytes` must have room for six times the body, so that it does not move.
  /// - Parameter dropsSeparators: leaves out blanks and hyphens, as people group digits by them.
  func appendJSONString(of name: String, dropsSeparators: Bool, to target: inout [UInt8]) {
    target.append(UInt8(ascii: "\""))
    forEachByte(of: name) { byte in
      switch byte {
      case UInt8(ascii: " ") where dropsSeparators, UInt8(ascii: "-") where dropsSeparators: break
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): target += [UInt8(ascii: "\\"), byte]
      case 0..<0x20:
        target += "\\u00".utf8
        target += [byte >> 4, byte & 15].map { $0 < 10 ? 0x30 + $0 : 0x57 + $0 }
      default: target.append(byte)
      }
    }
    target.append(UInt8(ascii: "\""))
  }

  private func forEachByte(of name: String, _ body: (UInt8) -> Void) {
    guard let range = fields[name] else { return }
    var place = range.lowerBound
    while place < range.upperBound {
      switch bytes[place] {
      case UInt8(ascii: "+"): body(UInt8(ascii: " "))
      case UInt8(ascii: "%"):
        // Both are digits: init has looked.
        body((Hexadecimal.value(of: bytes[place + 1]) ?? 0) << 4 | (Hexadecimal.value(of: bytes[place + 2]) ?? 0))
        place += 2
      case let byte: body(byte)
      }
      place += 1
    }
  }
}
