internal import Values

/// The header fields of a request, in the order in which they came.
///
/// They are kept in one block of memory; text is made of a value when it is asked for.
public struct HTTPHeaders: Sendable, Hashable {
  private struct Field: Sendable, Hashable {
    var name: Range<Int>
    var value: Range<Int>
  }

  private var bytes: [UInt8] = []
  private var fields: [Field] = []

  /// No fields.
  public init() {}

  /// For tests.
  package init(_ fields: KeyValuePairs<String, String>) {
    for (name, value) in fields { append(name: Array(name.utf8), value: Array(value.utf8)) }
  }

  mutating func append(name: some Collection<UInt8>, value: some Collection<UInt8>) {
    let start = bytes.count
    for byte in name { bytes.append(Self.lowered(byte)) }
    let middle = bytes.count
    bytes.append(contentsOf: value)
    fields.append(Field(name: start..<middle, value: middle..<bytes.count))
  }

  /// How many fields there are; a name that came twice counts twice.
  public var count: Int { fields.count }
  /// What they take of a connection's memory, bytes: the library keeps a record of some 60 bytes a field beside names
  /// and values, and the head of the answer needs what is left.
  var memory: Int { bytes.count + 64 * fields.count }

  /// The first value under a name, whatever the case of its letters; nil where there is none. Bytes that are no UTF-8
  /// are replaced.
  public subscript(_ name: String) -> String? {
    fields.first { isNamed($0, name) }.map { String(decoding: bytes[$0.value], as: UTF8.self) }
  }

  /// All values under a name, in the order in which they came.
  public func values(_ name: String) -> [String] {
    fields.lazy.filter { isNamed($0, name) }.map { String(decoding: bytes[$0.value], as: UTF8.self) }
  }

  /// The bytes of all values under a name.
  func rawValues(_ name: String) -> [[UInt8]] {
    fields.lazy.filter { isNamed($0, name) }.map { Array(bytes[$0.value]) }
  }

  func count(of name: String) -> Int { fields.count { isNamed($0, name) } }

  /// Whether each name is a token and no value holds a byte that a field may not (RFC 9110 sections 5.1 and 5.5).
  var areWellFormed: Bool {
    fields.allSatisfy { field in
      !field.name.isEmpty && bytes[field.name].allSatisfy(Self.isTokenByte)
        && bytes[field.value].allSatisfy { $0 == 0x09 || ($0 >= 0x20 && $0 != 0x7F) }
    }
  }

  private func isNamed(_ field: Field, _ name: String) -> Bool {
    guard name.utf8.count == field.name.count else { return false }
    return zip(name.utf8, bytes[field.name]).allSatisfy { Self.lowered($0) == $1 }
  }

  static func lowered(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
  }

  /// A byte of a token, RFC 9110 section 5.6.2.
  static func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"),
      UInt8(ascii: "%"), UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"),
      UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"),
      UInt8(ascii: "|"), UInt8(ascii: "~"):
      true
    default: false
    }
  }
}
