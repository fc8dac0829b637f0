import Foundation
import GRPC
import Values

/// The header fields of a call, a `name:value` a line: Base64 reads as Foundation reads it, what is not canonical is
/// refused, the rest of the application's metadata arrives as it was sent, and the protocol's own fields do not.
enum MetadataTarget {
  private typealias Field = (name: [UInt8], value: [UInt8])

  static func run(_ input: [UInt8]) throws(FuzzFinding) {
    let fields = fields(of: input)
    let usual = [(":method", "POST"), ("content-type", "application/grpc")]
    let read = RequestFields(fields + usual.map { (name: Array($0.0.utf8), value: Array($0.1.utf8)) })
    var isRefused = false
    var expected: [Field] = []
    for field in fields {
      if field.name.elementsEqual("grpc-timeout".utf8) {
        isRefused = isRefused || !isTimeout(field.value)
      } else if isReserved(field.name) {
        continue
      } else if field.name.count > 4, field.name.suffix(4).elementsEqual("-bin".utf8) {
        for part in field.value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
          guard let bytes = decoded(trimmed(part)) else {
            isRefused = true
            break
          }
          expected.append((field.name, bytes))
        }
      } else {
        expected.append(field)
      }
    }
    try require(read.isRefused == isRefused, "refused: \(read.isRefused), expected \(isRefused)")
    let metadata = read.metadata.map { (name: Array($0.name.utf8), value: $0.value) }
    try require(
      metadata.elementsEqual(expected) { $0.name == $1.name && $0.value == $1.value },
      "read as \(metadata), expected \(expected)")
    if let timeout = read.timeout { try require(timeout >= .zero, "a timeout of \(timeout)") }
    try checkTexts(input)
  }

  private static func fields(of input: [UInt8]) -> [Field] {
    input.split(separator: UInt8(ascii: "\n")).prefix(16).compactMap { line in
      // The colon of a name such as :path is its first byte.
      guard let colon = line.dropFirst().firstIndex(of: UInt8(ascii: ":")) else { return nil }
      let name = line[..<colon]
      // HTTP/2 takes no other names; its library refuses them before ours are asked.
      guard name.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !(0x41...0x5A).contains($0) }) else { return nil }
      return (Array(name), Array(line[(colon + 1)...]))
    }
  }

  /// One to eight digits and a unit.
  private static func isTimeout(_ value: [UInt8]) -> Bool {
    (2...9).contains(value.count) && "HMSmun".utf8.contains(value[value.count - 1])
      && value.dropLast().allSatisfy { "0123456789".utf8.contains($0) }
  }

  private static func isReserved(_ name: [UInt8]) -> Bool {
    name[0] == UInt8(ascii: ":") || name.starts(with: "grpc-".utf8)
      || ["te", "content-type", "host"].contains { name.elementsEqual($0.utf8) }
  }

  private static func trimmed(_ part: ArraySlice<UInt8>) -> [UInt8] {
    let start = part.drop { $0 == 0x20 }
    return Array(start.prefix((start.lastIndex { $0 != 0x20 } ?? start.startIndex - 1) - start.startIndex + 1))
  }

  /// What Foundation reads, and would write the same again.
  private static func decoded(_ text: [UInt8]) -> [UInt8]? {
    let equals = UInt8(ascii: "=")
    let body = text.prefix((text.lastIndex { $0 != equals } ?? -1) + 1)
    let padded = Array(body) + [UInt8](repeating: equals, count: (4 - body.count % 4) % 4)
    guard text.count == body.count || text == padded, let data = Data(base64Encoded: Data(padded)),
      data.base64EncodedData().elementsEqual(padded)
    else { return nil }
    return Array(data)
  }

  /// What we write reads back the same.
  private static func checkTexts(_ input: [UInt8]) throws(FuzzFinding) {
    let written = Base64.encode(input)
    try require(Base64.decode(written) == input, "Base64 reads otherwise than it was written")
    let text = String(decoding: input, as: UTF8.self)
    let message = WireText.percentEncode(text)
    try require(message.allSatisfy { (0x20...0x7E).contains($0) }, "grpc-message is not printable ASCII")
    // Compared by bytes: strings are equal when their characters look the same.
    try require(WireText.percentDecode(message).utf8.elementsEqual(text.utf8), "grpc-message reads otherwise")
    _ = WireText.percentDecode(input)
  }
}
