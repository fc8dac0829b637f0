import Protobuf
import StandardMessages

@testable import TestSupport

/// The text form of golden/schema.py: `{name:value,...}` with all fields in the order of their numbers.
///
/// Made by reflection, so a name that was given to the wrong field shows up against Python's.
enum MessageText {
  static func of(_ message: any ProtobufMessage) -> String {
    let children =
      (message as? any HasOneof)?.fields ?? Mirror(reflecting: message).children.map { ($0.label, $0.value) }
    return "{\(children.map { "\(name($0.label ?? "")):\(value($0.value))" }.joined(separator: ","))}"
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
    case let map as [String: GRPCHealthV1.HealthCheckResponse]: entries(map)
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

/// A message with a oneof, which is one value here and a field for each member in Python.
private protocol HasOneof {
  /// All members, by their numbers, with their defaults where they are not set.
  var fields: [(label: String?, value: Any)] { get }
}

extension GRPCReflectionV1.ServerReflectionRequest: HasOneof {
  fileprivate var fields: [(label: String?, value: Any)] {
    var texts = [Int: String]()
    var wanted: GRPCReflectionV1.ExtensionRequest?
    switch question {
    case nil: break
    case .fileByFilename(let text): texts[3] = text
    case .fileContainingSymbol(let text): texts[4] = text
    case .fileContainingExtension(let request): wanted = request
    case .allExtensionNumbersOfType(let text): texts[6] = text
    case .listServices(let text): texts[7] = text
    }
    return [
      ("host", host), ("fileByFilename", texts[3] ?? ""), ("fileContainingSymbol", texts[4] ?? ""),
      ("fileContainingExtension", wanted as Any), ("allExtensionNumbersOfType", texts[6] ?? ""),
      ("listServices", texts[7] ?? ""),
    ]
  }
}

extension GRPCReflectionV1.ServerReflectionResponse: HasOneof {
  fileprivate var fields: [(label: String?, value: Any)] {
    var set = [Int: Any]()
    switch answer {
    case nil: break
    case .fileDescriptors(let value): set[4] = value
    case .allExtensionNumbers(let value): set[5] = value
    case .listServices(let value): set[6] = value
    case .error(let value): set[7] = value
    }
    let names = ["fileDescriptorResponse", "allExtensionNumbersResponse", "listServicesResponse", "errorResponse"]
    return [("validHost", validHost), ("originalRequest", originalRequest as Any)]
      + names.enumerated().map { ($1, set[$0 + 4] as Any) }
  }
}
