/// Writes the fields of one JSON object, in the order in which they are added; `JSONWriter.object` and `appendObject`
/// make one and add the braces.
///
/// It adds commas, quotes and colons and nothing else: a name that is added twice stands there twice.
public struct JSONObjectWriter {
  @usableFromInline var bytes: [UInt8] = []
  private var isFresh = true

  init() {}

  /// Adds a field.
  /// - Parameter name: visible ASCII without quotes and backslashes; it is written as it is.
  @inlinable
  public mutating func add(_ name: StaticString, _ value: some JSONRepresentable) {
    begin(name)
    value.appendJSON(to: &bytes)
  }

  /// Adds a field whose name is known at run time only, and is escaped as any string.
  @inlinable
  public mutating func add(named name: String, _ value: some JSONRepresentable) {
    begin(name)
    value.appendJSON(to: &bytes)
  }

  /// Adds a field whose value is an object.
  /// - Parameter name: as for a field with another value.
  public mutating func add(_ name: StaticString, _ fill: (inout JSONObjectWriter) -> Void) {
    begin(name)
    JSONWriter.appendObject(to: &bytes, fill)
  }

  /// Adds a field whose value is an object, and whose name is known at run time only.
  public mutating func add(named name: String, _ fill: (inout JSONObjectWriter) -> Void) {
    begin(name)
    JSONWriter.appendObject(to: &bytes, fill)
  }

  @usableFromInline
  mutating func begin(_ name: StaticString) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    name.withUTF8Buffer { name in
      assert(name.allSatisfy { (0x20...0x7E).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") })
      bytes.append(contentsOf: name)
    }
    bytes.append(UInt8(ascii: "\""))
    bytes.append(UInt8(ascii: ":"))
  }

  @usableFromInline
  mutating func begin(_ name: String) {
    separate()
    JSONWriter.appendString(name, to: &bytes)
    bytes.append(UInt8(ascii: ":"))
  }

  private mutating func separate() {
    if !isFresh { bytes.append(UInt8(ascii: ",")) }
    isFresh = false
  }
}

extension JSONWriter {
  /// The bytes of an object.
  ///
  ///     JSONWriter.object { message in
  ///       message.add("order_id", 111)
  ///       message.add("status", "COMPLETED")
  ///     }
  ///
  /// - Parameter capacity: bytes to make room for, where their number is about known.
  public static func object(reserving capacity: Int = 0, _ fill: (inout JSONObjectWriter) -> Void) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(capacity)
    appendObject(to: &bytes, fill)
    return bytes
  }

  /// Appends an object.
  public static func appendObject(to bytes: inout [UInt8], _ fill: (inout JSONObjectWriter) -> Void) {
    // The buffer moves into the object and back, so that no byte is copied.
    var object = JSONObjectWriter()
    swap(&object.bytes, &bytes)
    object.bytes.append(UInt8(ascii: "{"))
    fill(&object)
    object.bytes.append(UInt8(ascii: "}"))
    swap(&object.bytes, &bytes)
  }
}
