/// The custom metadata of a call: names in lower case, several values a name, order kept.
///
/// A name that ends in `-bin` holds bytes (Base64 on the wire), any other printable ASCII. All fields lie in one
/// buffer, so that the metadata of a request costs one allocation, and none when there is none.
public struct Metadata: Sendable, Equatable, ExpressibleByDictionaryLiteral, Sequence {
  /// Name length (two bytes), value length (four bytes), name, value; again and again.
  private var storage: [UInt8] = []

  /// No fields, and no memory.
  public init() {}

  public init(dictionaryLiteral elements: (String, String)...) {
    for (name, value) in elements { add(name, value) }
  }

  /// Whether there is no field.
  public var isEmpty: Bool { storage.isEmpty }

  /// Adds a text value. Anything but printable ASCII would break the header block and is a mistake of ours.
  public mutating func add(_ name: String, _ value: String) {
    precondition(value.utf8.allSatisfy { (0x20...0x7E).contains($0) }, "metadata \(name): text is printable ASCII")
    append(name.utf8, value.utf8)
  }

  /// Adds bytes under a name that ends in `-bin`.
  public mutating func add(_ name: String, bytes: [UInt8]) {
    precondition(name.hasSuffix("-bin"), "metadata \(name): bytes need a name that ends in -bin")
    append(name.utf8, bytes)
  }

  /// The first value under `name`, as text.
  public subscript(_ name: String) -> String? {
    for (candidate, value) in self where candidate == name { return String(decoding: value, as: UTF8.self) }
    return nil
  }

  /// Every value under `name`, as bytes.
  public func all(_ name: String) -> [[UInt8]] {
    compactMap { candidate, value in candidate == name ? value : nil }
  }

  mutating func append(_ name: some Collection<UInt8>, _ value: some Collection<UInt8>) {
    precondition(name.count <= 0xFFFF && value.count <= 0xFFFF_FFFF, "metadata beyond every header limit")
    if storage.isEmpty { storage.reserveCapacity(name.count + value.count + 6) }
    storage.append(UInt8(name.count >> 8))
    storage.append(UInt8(truncatingIfNeeded: name.count))
    for shift in [24, 16, 8, 0] { storage.append(UInt8(truncatingIfNeeded: value.count >> shift)) }
    storage.append(contentsOf: name)
    storage.append(contentsOf: value)
  }

  /// Bytes before a field's name and value in `storage`.
  static let prefixSize = 6

  /// Fields laid out as in `storage`.
  init(storage: UnsafeRawBufferPointer) { self.storage = Array(storage) }

  public struct Iterator: IteratorProtocol {
    fileprivate let storage: [UInt8]
    fileprivate var position = 0

    public mutating func next() -> (name: String, value: [UInt8])? {
      guard position < storage.count else { return nil }
      let nameLength = Int(storage[position]) << 8 | Int(storage[position + 1])
      var valueLength = 0
      for offset in 2..<6 { valueLength = valueLength << 8 | Int(storage[position + offset]) }
      let start = position + 6
      position = start + nameLength + valueLength
      return (
        String(decoding: storage[start..<start + nameLength], as: UTF8.self),
        Array(storage[start + nameLength..<position])
      )
    }
  }

  public func makeIterator() -> Iterator { Iterator(storage: storage) }
}
