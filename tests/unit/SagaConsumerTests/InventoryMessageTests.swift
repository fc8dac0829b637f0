import SagaConsumer
import SagaDomain
import Testing

/// What is strict about an inventory message, beyond what RFC 8259 asks.
@Suite struct InventoryMessageTests {
  private static let key = "d978c560-fdba-4e84-b3f1-b570d8d95e4c"

  private func message(_ fields: String) -> String {
    #"{"idempotent_key":"\#(Self.key)","status":"COMPLETED",\#(fields)}"#
  }

  private func refusal(_ text: String) -> String {
    do throws(InventoryMessage.Unreadable) {
      _ = try InventoryMessage(Array(text.utf8))
      return "taken"
    } catch {
      return error.description
    }
  }

  @Test(arguments: [Int64.max, 9_007_199_254_740_993, 1])
  func idsAreExactTo64Bits(order: Int64) throws {
    let text = message(#""order_id":\#(order),"amount_minor":\#(order),"currency":"EUR""#)
    let read = try InventoryMessage(Array(text.utf8))
    #expect(read.command.orderID == order && read.command.amountMinor == order)
  }

  @Test(arguments: [
    "9223372036854775808", "1e3", "1.0", "1E0", "\"1\"", "01", "+1", "-1", "0", "null", "true", "1e400",
  ])
  func nothingButAPositiveIntegerIsAnID(value: String) {
    #expect(refusal(message(#""order_id":\#(value)"#)).contains("order_id"))
  }

  @Test(arguments: [
    "d978c560-fdba-4e84-b3f1-b570d8d95e4", "d978c560-fdba-4e84-b3f1-b 70d8d95e4c", "d978c560fdba4e84b3f1b570d8d95e4c",
    "{d978c560-fdba-4e84-b3f1-b570d8d95e4c}", "d978c560-fdba-4e84-b3f1-b570d8d95e4g", "",
    "d978c5-0-fdba-4e84-b3f1-b570d8d95e4c", "d978c560-fdba-4e84-b3f1-b570d8d95e4\u{661}",
    "d978c56-0fdba-4e84-b3f1-b570d8d95e4c",
  ])
  func nothingButAUUIDIsAKey(key: String) {
    let text = #"{"idempotent_key":"\#(key)","status":"COMPLETED","order_id":1}"#
    #expect(refusal(text).contains("idempotent_key"))
  }

  @Test(arguments: ["1.5", "1e2", "\"5\"", "-1", "9223372036854775808", "NaN", "Infinity"])
  func moneyIsNoFloatAndNotNegative(value: String) {
    #expect(refusal(message(#""order_id":1,"amount_minor":\#(value),"currency":"EUR""#)).contains("amount_minor"))
  }

  @Test(arguments: ["order_id", "idempotent_key", "status", "unknown"])
  func noFieldMayAppearTwice(field: String) {
    let value = field == "order_id" ? "1" : field == "idempotent_key" ? "\"\(Self.key)\"" : "\"COMPLETED\""
    let text = refusal(message(#""order_id":1,"\#(field)":\#(value),"\#(field)":\#(value)"#))
    #expect(text.contains("appears twice") && text.contains(field))
  }

  @Test func depthSizeAndFieldsAreBounded() throws {
    func nested(_ levels: Int) -> String {
      let (open, close) = (String(repeating: "[", count: levels), String(repeating: "]", count: levels))
      return message(#""order_id":1,"x":\#(open)\#(close)"#)
    }
    _ = try InventoryMessage(Array(nested(31).utf8))
    #expect(refusal(nested(32)).contains("levels"))
    let padding = InventoryMessage.maximumBytes - message(#""order_id":1"#).utf8.count
    let longest = message(#""order_id":1"#) + String(repeating: " ", count: padding)
    _ = try InventoryMessage(Array(longest.utf8))
    #expect(refusal(longest + " ").contains("at most 65536"))
    let fields = (0..<300).map { #""f\#($0)":0"# }.joined(separator: ",")
    #expect(refusal(message(#""order_id":1,\#(fields)"#)).contains("fields"))
  }

  @Test(arguments: ["x", "{}", "1", "// comment", ","])
  func nothingMayFollow(text: String) {
    #expect(refusal(message(#""order_id":1"#) + text).hasPrefix("not an inventory message"))
  }

  @Test func errorsQuoteNoValue() {
    for text in [
      #""order_id":"s3cret""#, #""order_id":1,"currency":"s3cret""#, #""order_id":1,"amount_minor":"s3cret""#,
    ] {
      let told = refusal(message(text))
      #expect(told != "taken" && !told.contains("s3cret"), "\(told)")
    }
  }
}
