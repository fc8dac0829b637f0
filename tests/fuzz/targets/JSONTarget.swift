import Foundation
import SagaConsumer
import SagaDomain
import TestSupport
import Values

/// Our scanner takes what Foundation takes and reads the same, but for the rules that are stricter on purpose; an
/// inventory message is one exactly when the document says so; and an amount of money is exact.
enum JSONTarget {
  static func run(_ input: [UInt8]) throws(FuzzFinding) {
    let theirs = JSONTree(foundation: input)
    let isComparable = isComparable(input)
    var ours: JSONTree?
    do throws(JSONError) {
      ours = try JSONTree.read(input)
    } catch {
      try require(error.offset <= input.count, "an error beyond the end: \(error)")
      let isMeant = theirs == nil || !isComparable || JSONTree.isStricterRule(error, input)
      try require(isMeant, "we refuse what Foundation takes: \(error)")
    }
    if let ours {
      if isComparable, let theirs {
        try require(ours.matches(theirs), "we read \(ours), Foundation \(theirs)")
      } else {
        // Foundation also refuses what no Double holds, and half of a surrogate pair; we only pass such things over.
        try require(
          !isComparable || ours.hasOtherNumber || mayHaveHalfSurrogate(input), "we take what Foundation refuses")
      }
      do throws(JSONError) { try JSONTree.skip(input) } catch {
        throw FuzzFinding("passed over it is refused: \(error)")
      }
    }
    try checkInventory(input, ours: ours, theirs: isComparable ? theirs : nil)
    try AmountPromises.check(input)
  }

  /// Foundation tells UTF-16 and UTF-32 by their first bytes, where we read UTF-8 only, and drops a byte order mark at
  /// the start of a string or name.
  private static func isComparable(_ input: [UInt8]) -> Bool {
    !input.prefix(4).contains(0) && !input.starts(with: [0xFE, 0xFF]) && !input.starts(with: [0xFF, 0xFE])
      && !input.contains([0xEF, 0xBB, 0xBF])
  }

  /// Whether there is an escape for one half of a surrogate pair, or both.
  private static func mayHaveHalfSurrogate(_ input: [UInt8]) -> Bool {
    input.indices.dropLast(2).contains { index in
      input[index...].starts(with: "\\u".utf8) && input[index + 2] | 0x20 == UInt8(ascii: "d")
    }
  }

  private static func checkInventory(_ input: [UInt8], ours: JSONTree?, theirs: JSONTree?) throws(FuzzFinding) {
    let expected = ours.flatMap(Inventory.init)
    let message: InventoryMessage
    do throws(InventoryMessage.Unreadable) {
      message = try InventoryMessage(input)
    } catch {
      return try require(expected == nil, "an inventory message was refused: \(error)")
    }
    let read = Inventory(message)
    if let expected { try same(read, expected) }
    // Where there are fields that appear twice below the surface, only Foundation has read the whole.
    if let theirs { try same(read, Inventory(theirs)) }
  }

  private static func same(_ read: Inventory, _ expected: Inventory?) throws(FuzzFinding) {
    try require(read == expected, "read as \(read), expected \(String(describing: expected))")
  }
}

/// An inventory message by the words of api/topics/inventory.schema.json and Foundation's UUID.
private struct Inventory: Equatable {
  let key: UUID
  let order: Int64
  let status: String
  let amount: Int64
  let currency: String

  init(_ message: InventoryMessage) {
    key = UUID(uuidString: message.idempotentKey.description) ?? UUID()
    order = message.command.orderID
    status = message.status
    amount = message.command.amountMinor
    currency = message.command.currency
  }

  /// Nil when the document is none.
  init?(_ tree: JSONTree) {
    guard case .object(let members) = tree, case .string(let written)? = members["idempotent_key"],
      let key = UUID(uuidString: String(decoding: written, as: UTF8.self)),
      // Foundation also takes a blank or a dash for a digit.
      key.uuidString == String(decoding: written, as: UTF8.self).uppercased(),
      case .integer(let order)? = members["order_id"], case .string(let status)? = members["status"], order > 0
    else { return nil }
    self.key = key
    self.order = order
    self.status = String(decoding: status, as: UTF8.self)
    switch members["amount_minor"] {
    case nil, .null?: amount = 0
    case .integer(let minor)?: amount = minor
    default: return nil
    }
    switch members["currency"] {
    case nil, .null?: currency = ""
    case .string(let bytes)?: currency = String(decoding: bytes, as: UTF8.self)
    default: return nil
    }
    let isCode = currency.utf8.count == 3 && currency.unicodeScalars.allSatisfy { ("A"..."Z").contains($0) }
    guard (1...64).contains(self.status.unicodeScalars.count),
      !self.status.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }), amount >= 0,
      currency.isEmpty ? amount == 0 : isCode
    else { return nil }
  }
}
