import Foundation
import Runtime
import TestSupport
import Testing

/// Our scanner against Foundation's reader, on thousands of random documents and on broken ones made from them.
@Suite struct JSONDifferentialTests {
  @Test func agreesWithFoundationOnValidDocuments() throws {
    var random = SeededGenerator(seed: 1)
    for _ in 0..<3_000 {
      let text = RandomDocument.make(using: &random)
      let ours = try JSONTree.read(text)
      let theirs = try #require(
        JSONTree(foundation: text), "Foundation refuses \(String(decoding: text, as: UTF8.self))")
      #expect(ours.matches(theirs), "\(String(decoding: text, as: UTF8.self))")
      try JSONTree.skip(text)
    }
  }

  @Test func agreesWithFoundationOnBrokenDocuments() throws {
    var random = SeededGenerator(seed: 2)
    var taken = 0
    for _ in 0..<20_000 {
      var text = RandomDocument.make(using: &random)
      for _ in 0..<Int.random(in: 1...2, using: &random) { RandomDocument.breakUp(&text, using: &random) }
      let shown = String(decoding: text, as: UTF8.self)
      let theirs = JSONTree(foundation: text)
      do {
        let ours = try JSONTree.read(text)
        taken += 1
        // Foundation also refuses what no Double holds; we only pass such a number over.
        if theirs == nil, ours.hasOtherNumber { continue }
        #expect(theirs.map(ours.matches) == true, "we take \(shown.debugDescription)")
        #expect(throws: Never.self, "skipValue refuses \(shown.debugDescription)") { try JSONTree.skip(text) }
      } catch let error as JSONError {
        guard theirs != nil else { continue }
        #expect(JSONTree.isStricterRule(error, text), "we refuse \(shown.debugDescription): \(error)")
      }
    }
    #expect(taken > 500, "breaking must leave some documents valid, or the test shows nothing")
  }
}

/// A document as a value, as far as both readers can tell it.
private indirect enum JSONTree: Equatable {
  case object([String: JSONTree])
  case array([JSONTree])
  case string([UInt8])
  case integer(Int64)
  case otherNumber
  case bool(Bool)
  case null

  static func read(_ text: [UInt8]) throws -> JSONTree {
    var scanner = try JSONScanner(text, maximumBytes: 1 << 20)
    let tree = try read(&scanner)
    try scanner.end()
    return tree
  }

  static func skip(_ text: [UInt8]) throws {
    var scanner = try JSONScanner(text, maximumBytes: 1 << 20)
    try scanner.skipValue()
    try scanner.end()
  }

  private static func read(_ scanner: inout JSONScanner) throws -> JSONTree {
    switch try scanner.peek() {
    case .object:
      var members: [String: JSONTree] = [:]
      try scanner.beginObject()
      while let key = try scanner.nextKey() { members[key] = try read(&scanner) }
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
      #expect(try scanner.null())
      return .null
    }
  }

  init?(foundation text: [UInt8]) {
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
  func matches(_ theirs: JSONTree) -> Bool {
    switch (self, theirs) {
    case (.object(let mine), .object(let other)):
      mine.count == other.count && mine.allSatisfy { key, value in other[key].map(value.matches) ?? false }
    case (.array(let mine), .array(let other)):
      mine.count == other.count && zip(mine, other).allSatisfy { $0.matches($1) }
    case (.otherNumber, .integer), (.otherNumber, .otherNumber): true
    default: self == theirs
    }
  }

  var hasOtherNumber: Bool {
    switch self {
    case .object(let members): members.values.contains { $0.hasOtherNumber }
    case .array(let elements): elements.contains { $0.hasOtherNumber }
    case .otherNumber: true
    default: false
    }
  }

  /// Where we refuse and Foundation does not, and mean to.
  static func isStricterRule(_ error: JSONError, _ text: [UInt8]) -> Bool {
    switch error.code {
    case .duplicateField, .tooDeep, .byteOrderMark: true
    // Foundation takes a comma after the last member, and UTF-16 and UTF-32, which it tells by their zero bytes.
    case .unexpectedByte:
      text[error.offset] == 0
        || "]}".utf8.contains(text[error.offset])
          && text[..<error.offset].last { ![0x20, 0x0A, 0x0D, 0x09].contains($0) } == UInt8(ascii: ",")
    default: false
    }
  }
}

private enum RandomDocument {
  static func make(using random: inout SeededGenerator) -> [UInt8] {
    var text: [UInt8] = []
    value(depth: 0, &text, &random)
    return text
  }

  private static func space(_ text: inout [UInt8], _ random: inout SeededGenerator) {
    if Int.random(in: 0..<4, using: &random) == 0 {
      text.append([0x20, 0x0A, 0x0D, 0x09].randomElement(using: &random)!)
    }
  }

  private static func value(depth: Int, _ text: inout [UInt8], _ random: inout SeededGenerator) {
    space(&text, &random)
    switch Int.random(in: 0..<(depth < 4 ? 8 : 5), using: &random) {
    case 0: string(&text, &random)
    case 1: text += "\(Int64.random(in: -1000...1000, using: &random))".utf8
    case 2: text += "\(Int64(bitPattern: random.next()))".utf8
    case 3: text += ["true", "false", "null"].randomElement(using: &random)!.utf8
    case 4: text += ["1.5", "-0.25", "1e3", "2E-2", "10.5e+1", "0.1", "-7.0e0"].randomElement(using: &random)!.utf8
    case 5:
      text += "[".utf8
      for index in 0..<Int.random(in: 0...4, using: &random) {
        if index > 0 { text += ",".utf8 }
        value(depth: depth + 1, &text, &random)
      }
      space(&text, &random)
      text += "]".utf8
    default:
      text += "{".utf8
      for index in 0..<Int.random(in: 0...4, using: &random) {
        if index > 0 { text += ",".utf8 }
        space(&text, &random)
        text += "\"k\(index)".utf8
        if index % 2 == 1 { text += "\\u00e9é".utf8 }
        text += "\"".utf8
        space(&text, &random)
        text += ":".utf8
        value(depth: depth + 1, &text, &random)
      }
      space(&text, &random)
      text += "}".utf8
    }
    space(&text, &random)
  }

  private static func string(_ text: inout [UInt8], _ random: inout SeededGenerator) {
    text += "\"".utf8
    for _ in 0..<Int.random(in: 0...8, using: &random) {
      text += pieces.randomElement(using: &random)!.utf8
    }
    text += "\"".utf8
  }

  private static let pieces = [
    "a", "Z", " ", "é", "€", "😀", "\u{7F}", "\u{2028}", "\\n", "\\t", "\\\"", "\\\\", "\\/", "\\b", "\\f", "\\r",
    "\\u0041", "\\u00e9", "\\u20AC", "\\ud83d\\ude00", "\\u0000", "\\uFFFF", "{", "]", ":", ",",
  ]

  /// Changes, drops, repeats or cuts something.
  static func breakUp(_ text: inout [UInt8], using random: inout SeededGenerator) {
    guard !text.isEmpty else { return }
    let place = Int.random(in: 0..<text.count, using: &random)
    switch Int.random(in: 0..<6, using: &random) {
    case 0: text[place] = UInt8.random(in: 0...255, using: &random)
    case 1: text.remove(at: place)
    case 2: text.insert(text[place], at: place)
    case 3: text.insert(Array("{}[]\",:\\ue-+.0919tfnu \n".utf8).randomElement(using: &random)!, at: place)
    case 4: text.removeSubrange(place...)
    default: text.swapAt(place, Int.random(in: 0..<text.count, using: &random))
    }
  }
}
