internal import Crypto
internal import Values

/// The keys under which cards are known again without their numbers: the first signs, all match.
public struct CardFingerprintKeys: Sendable, CustomStringConvertible {
  /// The least bytes of a key.
  public static let leastKeyBytes = 32
  /// What a setting may hold, in words that follow "expected".
  public static let rule =
    "`ID:HEXKEY` with a random key of at least 64 hex digits, several with commas between; the first one signs"

  /// One key.
  struct Key: Sendable {
    let id: String
    let bytes: [UInt8]

    func sign(_ digits: RawSpan) -> [UInt8] { HMACSHA256.code(of: digits, key: bytes.span.bytes) }
  }

  let keys: [Key]

  /// Why a text holds no keys. It never quotes a key.
  public struct Fault: Error, Sendable, Hashable, CustomStringConvertible {
    /// The entry, counted from 1, and what is wrong with it.
    public let description: String
  }

  /// Reads `id:hexkey,id:hexkey`. An id has 1 to 32 ASCII letters, digits, `_` and `-`.
  public init(_ text: String) throws(Fault) {
    var keys: [Key] = []
    for (index, entry) in text.split(separator: ",", omittingEmptySubsequences: false).enumerated() {
      let key = try Self.key(entry, index + 1)
      guard !keys.contains(where: { $0.id == key.id }) else {
        throw Fault(description: "key \(index + 1) has the id of an earlier one")
      }
      keys.append(key)
    }
    guard keys.count <= 16 else { throw Fault(description: "at most 16 keys are used") }
    self.keys = keys
  }

  private static func key(_ entry: Substring, _ number: Int) throws(Fault) -> Key {
    let parts = entry.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2 else { throw Fault(description: "key \(number) is not written as ID:HEXKEY") }
    let id = parts[0]
    let isID = id.utf8.allSatisfy { byte in
      Hexadecimal.value(of: byte) != nil || (0x61...0x7A).contains(byte | 0x20) || byte == 0x5F || byte == 0x2D
    }
    guard (1...32).contains(id.utf8.count), isID else {
      throw Fault(description: "the id of key \(number) is not 1 to 32 letters, digits, _ and -")
    }
    guard let bytes = Hexadecimal.bytes(parts[1].utf8) else {
      throw Fault(description: "key \(number) is no even number of hex digits")
    }
    guard bytes.count >= leastKeyBytes, bytes.count <= 256 else {
      throw Fault(description: "key \(number) must have \(leastKeyBytes) to 256 bytes, which is 64 to 512 hex digits")
    }
    guard Set(bytes).count > 1 else {
      throw Fault(description: "key \(number) is one byte again and again, as in an example: draw a random one")
    }
    return Key(id: String(id), bytes: bytes)
  }

  /// An HMAC-SHA-256 under the first key: of a number's digits, or of a text that begins with none.
  package func sign(_ digits: RawSpan) -> [UInt8] { keys[0].sign(digits) }

  /// The same under every key, the first one's first.
  package func all(_ digits: RawSpan) -> [[UInt8]] {
    var codes: [[UInt8]] = []
    for key in keys { codes.append(key.sign(digits)) }
    return codes
  }

  /// The ids, that of the key that signs first.
  package var ids: [String] { keys.map(\.id) }

  /// The id of the key that signs.
  package var signingID: String { keys[0].id }

  /// An HMAC-SHA-256 under the key of an id; nil where there is no such key.
  package func code(of bytes: RawSpan, under id: String) -> [UInt8]? { keys.first { $0.id == id }?.sign(bytes) }

  /// The ids; the keys are not shown.
  public var description: String { ids.joined(separator: ", ") }
}
