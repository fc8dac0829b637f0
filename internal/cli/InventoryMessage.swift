import SagaDomain
import Values

/// A message for the inventory topic (api/topics/inventory.schema.json).
struct InventoryMessage: Sendable {
  let orderID: Int64
  let idempotentKey: UniqueID
  let status: String
  /// In the smallest unit of the currency; nil leaves both out.
  let amount: (minor: Int64, currency: String)?

  /// The topic's key.
  var key: [UInt8] { Array(String(orderID).utf8) }

  var value: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(128)
    bytes += "{\"idempotent_key\":\"".utf8
    idempotentKey.append(to: &bytes)
    bytes += "\",\"order_id\":".utf8
    JSONWriter.appendInteger(orderID, to: &bytes)
    bytes += ",\"status\":".utf8
    JSONWriter.appendString(status, to: &bytes)
    if let amount {
      bytes += ",\"amount_minor\":".utf8
      JSONWriter.appendInteger(amount.minor, to: &bytes)
      bytes += ",\"currency\":".utf8
      JSONWriter.appendString(amount.currency, to: &bytes)
    }
    bytes.append(UInt8(ascii: "}"))
    return bytes
  }
}
