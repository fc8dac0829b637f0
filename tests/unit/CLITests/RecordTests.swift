import Foundation
import Kafka
import SagaMessages
import StandardMessages
import Testing
import Values

@testable import CLI

/// A record's JSON, read by another implementation.
private func json(_ record: Record) throws -> [String: Any] {
  var bytes: [UInt8] = []
  record.appendJSON(to: &bytes)
  #expect(!bytes.contains(UInt8(ascii: "\n")))
  return try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
}

struct RecordTests {
  @Test func isALineForPeople() {
    let record: Record = [
      "order_id": .number(111), "reason": .text("card \"gold\" declined"), "empty": .text(""), "gone": .null,
      "dirty": .bool(false), "path": .text("a\\b"), "bell": .text("a\u{1B}[2Jb"),
    ]
    #expect(
      record.line == #"order_id=111 reason="card \"gold\" declined" dirty=false path="a\\b" bell="a\u001b[2Jb""#)
  }

  @Test func isJSONForMachines() throws {
    let id = try #require(UniqueID("d978c560-fdba-4e84-b3f1-b570d8d95e4c"))
    let read = try json([
      "text": .text("a\n\"ü\u{1}"), "number": .number(.min), "bool": .bool(true), "id": .uuid(id), "null": .null,
      "time": .time(Timestamp(microseconds: 0)), "list": .list([["a": .number(1)], [:]]),
      "object": .object(["b": .text("c")]), "raw": .json(Array("{\n\"x\":\r\n[1]}".utf8)),
    ])
    #expect(read["text"] as? String == "a\n\"ü\u{1}")
    #expect((read["number"] as? NSNumber)?.int64Value == .min)
    #expect(read["bool"] as? Bool == true)
    #expect(read["id"] as? String == "d978c560-fdba-4e84-b3f1-b570d8d95e4c")
    #expect(read["null"] is NSNull)
    #expect(read["time"] as? String == "1970-01-01T00:00:00.000000Z")
    #expect((read["list"] as? [[String: Int]]) == [["a": 1], [:]])
    #expect((read["object"] as? [String: String]) == ["b": "c"])
    #expect((read["raw"] as? [String: [Int]]) == ["x": [1]])
  }

  @Test func showsAPayment() throws {
    let payment = PaymentsV1.Payment(
      id: 7, orderID: 111, status: .failed, reason: "EXPIRED", version: 2,
      createdAt: GoogleProtobuf.Timestamp(seconds: 1), updatedAt: GoogleProtobuf.Timestamp(seconds: 2),
      expiresAt: GoogleProtobuf.Timestamp(seconds: 3), amountMinor: 1_999, currency: "EUR")
    #expect(
      Record(payment).line == "order_id=111 status=FAILED payment_id=7 version=2 reason=EXPIRED amount_minor=1999 "
        + "currency=EUR created_at=1970-01-01T00:00:01.000000Z updated_at=1970-01-01T00:00:02.000000Z")
    #expect(try json(Record(payment))["expires_at"] is NSNull)
  }

  @Test func theInventoryMessageFollowsItsSchema() throws {
    let id = try #require(UniqueID("d978c560-fdba-4e84-b3f1-b570d8d95e4c"))
    let plain = InventoryMessage(orderID: 111, idempotentKey: id, status: "COMPLETED", amount: nil)
    #expect(
      String(decoding: plain.value, as: UTF8.self)
        == #"{"idempotent_key":"d978c560-fdba-4e84-b3f1-b570d8d95e4c","order_id":111,"status":"COMPLETED"}"#)
    #expect(plain.key == Array("111".utf8))
    let priced = InventoryMessage(orderID: .max, idempotentKey: id, status: "A", amount: (5, "EUR"))
    #expect(String(decoding: priced.value, as: UTF8.self).hasSuffix(#","amount_minor":5,"currency":"EUR"}"#))
  }
}

struct EventViewTests {
  private let event = ConsumedMessage(
    topic: "payment", partition: 2, offset: 17, timestamp: Timestamp(microseconds: 1_500_000), key: Array("111".utf8),
    value: Array(#"{"order_id":111, "status":"CREATED"}"#.utf8),
    headers: [RecordHeader("seq", "1"), RecordHeader("ce_id", "old"), RecordHeader("ce_id", "new")])

  @Test func showsAnEventInALine() {
    #expect(
      EventView(message: event).line
        == "1970-01-01T00:00:01.500000Z  2@17  key=111  status=CREATED  seq=1  ce_id=new")
  }

  @Test func showsTheWholeMessageAsJSON() throws {
    let read = try json(EventView(message: event).record)
    #expect(read["partition"] as? Int == 2)
    #expect(read["offset"] as? Int == 17)
    #expect((read["headers"] as? [String: String]) == ["seq": "1", "ce_id": "new"])
    #expect((read["value"] as? [String: Any])?["status"] as? String == "CREATED")
  }

  @Test(arguments: ["not json", "{\"status\":", "{\"status\":5}", "[1]", "\u{1B}[2J", "{} {}"])
  func takesAnyValue(_ value: String) throws {
    var message = event
    message.value = Array(value.utf8)
    message.key = nil
    message.headers = []
    message.timestamp = nil
    #expect(EventView(message: message).line == "-  2@17  -  status=-  seq=-  ce_id=-")
    _ = try json(EventView(message: message).record)
  }

  @Test func aTombstoneHasNoValue() throws {
    var message = event
    message.value = nil
    #expect(try json(EventView(message: message).record)["value"] is NSNull)
  }
}
