import FuzzTargets
import Randomness
import Testing

/// Random inputs that are nearly right, without the fuzzer: what `make fuzz` does for hours, for a moment.
@Suite struct RandomInputTests {
  /// Our reading of an inventory message against Foundation's, on documents of the message's own words.
  @Test func inventoryMessagesAreReadAsFoundationReadsThem() {
    var random = SplitMix64(seed: 3)
    for _ in 0..<5_000 {
      var text = InventoryDocument.make(using: &random)
      if Int.random(in: 0..<3, using: &random) == 0, let place = text.indices.randomElement(using: &random) {
        text[place] = UInt8.random(in: 0...255, using: &random)
      }
      do throws(FuzzFinding) {
        try FuzzTarget.json.run(text)
      } catch {
        Issue.record("\(String(decoding: text, as: UTF8.self).debugDescription): \(error)")
      }
    }
  }
}

private enum InventoryDocument {
  private static let key = #""6F9619ff-8b86-4d01-b42d-00cf4fc964ff""#
  private static let integers = [
    "1", "0", "-1", "-0", "9223372036854775807", "9223372036854775808", "1.0", "1e2", "\"1\"", "null", "1999",
  ]
  private static let values: [(field: String, values: [String])] = [
    ("idempotent_key", [key, key, key, "\"6f9619ff\"", "null", #""6f9619ff-8b86-4d01-b42d-00cf4fc964fg""#]),
    ("order_id", ["111", "7"] + integers),
    ("status", [#""COMPLETED""#, #""COMPLETED""#, #""IN_PROGRESS""#, #""done""#, #""""#, "1", #""\u0043OMPLETED""#]),
    ("amount_minor", integers),
    ("currency", [#""EUR""#, #""EUR""#, #""eur""#, #""""#, #""EURO""#, "null", #""\u0045UR""#]),
    ("extra", ["{}", "[1,2.5,null]", #"{"a":1,"a":2}"#, #""é\ud83d\ude00""#, "true"]),
  ]

  static func make(using random: inout SplitMix64) -> [UInt8] {
    var members: [String] = []
    for (field, values) in values.shuffled(using: &random) {
      // The first three are needed and rarely left out; rarely one is there twice.
      let isNeeded = ["idempotent_key", "order_id", "status"].contains(field)
      let share = Int.random(in: 0..<20, using: &random)
      for _ in 0..<(share == 0 ? 2 : isNeeded && share < 18 || share < 9 ? 1 : 0) {
        members.append("\"\(field)\": \(values.randomElement(using: &random)!)")  // no list of values is empty
      }
    }
    return Array("{\(members.joined(separator: ","))}".utf8)
  }
}
