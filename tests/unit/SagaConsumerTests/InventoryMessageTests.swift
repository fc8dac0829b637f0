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

  @Test(arguments: ["order_id", "idempotent_key", "status"])
  func noFieldOfOursMayAppearTwice(field: String) {
    let value = field == "order_id" ? "1" : field == "idempotent_key" ? "\"\(Self.key)\"" : "\"COMPLETED\""
    let text = refusal(message(#""order_id":1,"\#(field)":\#(value),"\#(field)":\#(value)"#))
    #expect(text.contains("appears twice") && text.contains(field))
  }

  @Test(arguments: [
    #""x":"\ud800""#, #""\ud800":1"#, #""x":1,"x":2"#, #""x":null,"x":null"#,
    #""x":\#(String(repeating: "[", count: 9_000))\#(String(repeating: "]", count: 9_000))"#,
    (0..<300).map { #""f\#($0)":{"currency":3}"# }.joined(separator: ","),
  ])
  func whatIsNotUsedIsPassedOver(fields: String) throws {
    let read = try InventoryMessage(Array(message(#"\#(fields),"order_id":1,"amount_minor":5,"currency":"EUR""#).utf8))
    #expect(read.command.orderID == 1 && read.command.amountMinor == 5)
  }

  @Test func nullIsTheSameAsAbsent() throws {
    let read = try InventoryMessage(Array(message(#""order_id":1,"amount_minor":null,"currency":null"#).utf8))
    #expect(read.command.amountMinor == 0 && read.command.currency.isEmpty)
    for field in ["idempotent_key", "order_id", "status"] {
      let text = message(#""order_id":1"#).replacing(
        try Regex(#""\#(field)":[^,}]*"#), with: #""\#(field)":null"#)
      #expect(refusal(text).contains("\(field) is missing"))
    }
  }

  @Test(arguments: ["reserved", "CO-MPLETED", "in Arbeit", "готово", "a", String(repeating: "é", count: 64)])
  func anyStatusAProducerMayUseIsRead(status: String) throws {
    let text = #"{"idempotent_key":"\#(Self.key)","status":"\#(status)","order_id":1}"#
    #expect(try InventoryMessage(Array(text.utf8)).status == status)
  }

  @Test(arguments: ["", #"a\u0000"#, #"a\nb"#, #"\u007f"#, #"\u0085"#, String(repeating: "x", count: 65)])
  func noStatusIsEmptyLongOrUnprintable(status: String) {
    #expect(refusal(#"{"idempotent_key":"\#(Self.key)","status":"\#(status)","order_id":1}"#).contains("status"))
  }

  @Test func theSizeIsBounded() throws {
    let padding = InventoryMessage.maximumBytes - message(#""order_id":1"#).utf8.count
    let longest = message(#""order_id":1"#) + String(repeating: " ", count: padding)
    _ = try InventoryMessage(Array(longest.utf8))
    #expect(refusal(longest + " ").contains("at most 65536"))
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
