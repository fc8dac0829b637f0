import Protobuf

/// The text form of golden/schema.py: `{name:value,...}` with all fields in the order of their numbers.
///
/// Made by reflection, so a name that was given to the wrong field shows up against Python's.
enum MessageText {
  static func of(_ message: any ProtobufMessage) -> String {
    let fields = Mirror(reflecting: message).children.map { "\(name($0.label ?? "")):\(value($0.value))" }
    return "{\(fields.joined(separator: ","))}"
  }

  /// `orderID` becomes `order_id`.
  private static func name(_ label: String) -> String {
    var name = ""
    var afterCapital = false
    for character in label {
      if character.isUppercase {
        if !afterCapital { name += "_" }
        name += character.lowercased()
      } else {
        name.append(character)
      }
      afterCapital = character.isUppercase
    }
    return name
  }

  private static func value(_ value: Any) -> String {
    switch value {
    case let text as String: Hex.text(text.utf8)
    // An empty array casts to an array of anything.
    case let bytes as [UInt8] where type(of: value) == [UInt8].self: Hex.text(bytes)
    case let message as any ProtobufMessage: of(message)
    case let number as any ProtobufEnum: String(number.number)
    case let number as Float: hexadecimal(number.bitPattern)
    case let number as Double: hexadecimal(number.bitPattern)
    case let child as AllTypes.Child: child.value.first.map { of($0) } ?? "-"
    case let map as [String: String]: entries(map)
    case let map as [String: GRPCHealthResponse]: entries(map)
    default: composed(value)
    }
  }

  private static func composed(_ value: Any) -> String {
    let mirror = Mirror(reflecting: value)
    switch mirror.displayStyle {
    case .optional: return mirror.children.first.map { Self.value($0.value) } ?? "-"
    case .collection: return "[\(mirror.children.map { Self.value($0.value) }.joined(separator: ","))]"
    default: return String(describing: value)
    }
  }

  private static func entries(_ map: [String: some Any]) -> String {
    let sorted = map.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    return "[\(sorted.map { "\(Hex.text($0.key.utf8))=\(value($0.value))" }.joined(separator: ","))]"
  }

  private static func hexadecimal(_ bits: some FixedWidthInteger) -> String {
    withUnsafeBytes(of: bits.bigEndian) { Hex.text($0) }
  }
}
