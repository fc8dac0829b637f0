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
    JSONWriter.object(reserving: 128) { message in
      message.add("idempotent_key", idempotentKey)
      message.add("order_id", orderID)
      message.add("status", status)
      if let amount {
        message.add("amount_minor", amount.minor)
        message.add("currency", amount.currency)
      }
    }
  }
}
