import Foundation
import Randomness
import TestSupport
import Testing
import Values

/// Our scanner against Foundation's reader, on thousands of random documents and on broken ones made from them.
@Suite struct JSONDifferentialTests {
  @Test func agreesWithFoundationOnValidDocuments() throws {
    var random = SplitMix64(seed: 1)
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
    var random = SplitMix64(seed: 2)
    var taken = 0
    for _ in 0..<20_000 {
      var text = RandomDocument.make(using: &random)
      for _ in 0..<Int.random(in: 1...2, using: &random) { RandomDocument.breakUp(&text, using: &random) }
      let shown = String(decoding: text, as: UTF8.self)
      let theirs = JSONTree(foundation: text)
      do throws(JSONError) {
        let ours = try JSONTree.read(text)
        taken += 1
        // Foundation also refuses what no Double holds; we only pass such a number over.
        if theirs == nil, ours.hasOtherNumber { continue }
        #expect(theirs.map(ours.matches) == true, "we take \(shown.debugDescription)")
        #expect(throws: Never.self, "skipValue refuses \(shown.debugDescription)") { try JSONTree.skip(text) }
      } catch {
        guard theirs != nil else { continue }
        #expect(JSONTree.isStricterRule(error, text), "we refuse \(shown.debugDescription): \(error)")
      }
    }
    #expect(taken > 500, "breaking must leave some documents valid, or the test shows nothing")
  }
}

private enum RandomDocument {
  static func make(using random: inout SplitMix64) -> [UInt8] {
    var text: [UInt8] = []
    value(depth: 0, &text, &random)
    return text
  }

  private static func space(_ text: inout [UInt8], _ random: inout SplitMix64) {
    if Int.random(in: 0..<4, using: &random) == 0 {
      text.append([0x20, 0x0A, 0x0D, 0x09].randomElement(using: &random)!)
    }
  }

  private static func value(depth: Int, _ text: inout [UInt8], _ random: inout SplitMix64) {
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

  private static func string(_ text: inout [UInt8], _ random: inout SplitMix64) {
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
  static func breakUp(_ text: inout [UInt8], using random: inout SplitMix64) {
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
