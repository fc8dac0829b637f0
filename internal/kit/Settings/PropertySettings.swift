/// Names of settings that stand for the properties of a library: its prefix, then the property in capitals, underscores
/// for dots. With the prefix `KAFKA_`, `KAFKA_SECURITY_PROTOCOL` is `security.protocol`.
struct PropertyNames: Sendable {
  let prefix: String

  /// The property that a setting's name stands for; nil when it is not of this kind.
  func property(of name: String) -> String? {
    guard name.hasPrefix(prefix) else { return nil }
    let property = name.dropFirst(prefix.count)
    guard !property.isEmpty, property.utf8.allSatisfy({ Self.isNameByte($0) }) else { return nil }
    return property.lowercased().split(separator: "_", omittingEmptySubsequences: false).joined(separator: ".")
  }

  /// The name of a property's setting.
  func name(of property: String) -> String {
    prefix + property.uppercased().split(separator: ".", omittingEmptySubsequences: false).joined(separator: "_")
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"): true
    default: false
    }
  }
}

/// The properties of a library as settings of a set: there is no row for each, and the library checks their values.
public struct PropertySettings<Root: Sendable>: Sendable {
  let names: PropertyNames
  let library: String
  let example: String
  private let reserved: [String: String]
  private let isSecret: @Sendable (_ property: String) -> Bool
  private let store: @Sendable (_ property: String, _ value: String, inout Root) -> Void

  /// - Parameters:
  ///   - prefix: how the names of their settings start, such as `KAFKA_`.
  ///   - library: the library's name, for `--help`.
  ///   - example: a property, for `--help`.
  ///   - reserved: the properties that may not be set, each with the reason.
  ///   - isSecret: whether a property's value must not be shown.
  ///   - store: stores a property's value.
  public init(
    prefix: String, library: String, example: String, reserved: [String: String],
    isSecret: @escaping @Sendable (_ property: String) -> Bool,
    store: @escaping @Sendable (_ property: String, _ value: String, inout Root) -> Void
  ) {
    names = PropertyNames(prefix: prefix)
    self.library = library
    self.example = example
    self.reserved = reserved
    self.isSecret = isSecret
    self.store = store
  }

  /// The setting's name of a property.
  public func name(of property: String) -> String { names.name(of: property) }

  /// A group's properties as properties of a set.
  /// - Parameter path: the group within the set.
  public func within<Outer>(_ path: Setting<Outer>.Path<Root>) -> PropertySettings<Outer> {
    PropertySettings<Outer>(
      prefix: names.prefix, library: library, example: example, reserved: reserved, isSecret: isSecret
    ) {
      [store] property, value, settings in store(property, value, &settings[keyPath: path])
    }
  }

  /// Stores a property's value.
  /// - Returns: why it may not be set, or nil.
  func read(_ value: String, of property: String, _ settings: inout Root) -> String? {
    if let reason = reserved[property] { return "\(property) cannot be set: \(reason)" }
    store(property, value, &settings)
    return nil
  }

  /// A property's value as pages and logs may show it.
  func masked(_ value: String, of property: String) -> String {
    isSecret(property) ? Secrets.mask : Secrets.shown(value)
  }

  /// The name that stands for all of them.
  var title: String { "\(names.prefix)<PROPERTY>" }
}
