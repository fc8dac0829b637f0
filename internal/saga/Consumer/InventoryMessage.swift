package import SagaDomain
internal import SagaSettings
package import Tracing
package import Values

/// What the inventory service says of an order's goods (api/topics/inventory.schema.json).
package struct InventoryMessage: Sendable, Hashable {
  /// The longest message that is read.
  package static let maximumBytes = 65_536

  /// The message's own id; the same when it is sent again.
  package let idempotentKey: UniqueID
  /// What became of the reservation.
  package let status: String
  /// The opening that it asks for, if its status is the one that opens payments.
  package var command: CreateCommand

  /// Why a message cannot be read, in words for the dead-letter topic's header; it quotes no values.
  package struct Unreadable: Error, Sendable, Hashable, CustomStringConvertible {
    package let description: String
  }

  /// Reads a message; unknown fields are ignored, whatever they hold, and null counts as absent.
  /// - Parameters:
  ///   - trace: what its headers say that it is a part of.
  ///   - place: where it lies, `topic/partition@offset`.
  package init(_ value: [UInt8]?, trace: TraceContext? = nil, place: String? = nil) throws(Unreadable) {
    guard let value else { throw Unreadable(description: "the message has no value") }
    do {
      self = try Self.scan(value, trace, place)
    } catch let error as JSONError {
      throw Unreadable(description: "not an inventory message: \(error)")
    } catch let error as PaymentError {
      throw Unreadable(description: "not an inventory message: \(error.message)")
    } catch let error as Unreadable {
      throw error
    } catch {
      throw Unreadable(description: "not an inventory message")
    }
  }

  private init(idempotentKey: UniqueID, status: String, command: CreateCommand) {
    self.idempotentKey = idempotentKey
    self.status = status
    self.command = command
  }

  private static func scan(_ value: [UInt8], _ trace: TraceContext?, _ place: String?) throws -> InventoryMessage {
    var key: UniqueID?
    var orderID: Int64?
    var status: String?
    var amount: Int64 = 0
    var currency = ""
    var scanner = try JSONScanner(value, maximumBytes: maximumBytes)
    try scanner.beginObject()
    while let field = try scanner.nextKey() {
      // Writers that know a field and have nothing to say in it write null.
      switch field {
      case "idempotent_key": key = try scanner.null() ? nil : try scanner.uniqueID()
      case "order_id": orderID = try scanner.null() ? nil : try scanner.integer()
      case "status": status = try scanner.null() ? nil : try scanner.string()
      case "amount_minor": amount = try scanner.null() ? 0 : try scanner.integer()
      case "currency": currency = try scanner.null() ? "" : try scanner.string()
      default: try scanner.skipValue()
      }
    }
    try scanner.end()
    guard let key else { throw missing("idempotent_key") }
    guard let orderID else { throw missing("order_id") }
    guard let status else { throw missing("status") }
    guard InventoryStatus.isValid(status) else {
      throw Unreadable(description: "not an inventory message: status must have \(InventoryStatus.rule)")
    }
    let command = try CreateCommand(
      orderID: orderID, amountMinor: amount, currency: currency, idempotentKey: key, trace: trace,
      place: place)
    return InventoryMessage(idempotentKey: key, status: status, command: command)
  }

  private static func missing(_ field: String) -> Unreadable {
    Unreadable(description: "not an inventory message: \(field) is missing")
  }
}
