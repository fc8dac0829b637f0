/// Reads a JSON text (RFC 8259) piece by piece, as its caller asks for it, without Foundation.
///
/// For small messages of known shape: about 0.65 µs each, where a decoder takes 5 to 10. It is stricter than the
/// standard: integers are exact to 64 bits, a field may be read once per object, a string is valid Unicode, the text is
/// one value without a byte order mark, and size, depth and the number of fields are bounded. `skipValue` checks the
/// grammar only, so that unknown fields break nothing. One owner at a time; do not use it after an error.
///
///     var scanner = try JSONScanner(bytes, maximumBytes: 65_536)
///     try scanner.beginObject()
///     while let key = try scanner.nextKey() {
///       switch key {
///       case "order_id": orderID = try scanner.integer()
///       default: try scanner.skipValue()
///       }
///     }
///     try scanner.end()
public struct JSONScanner: Sendable {
  /// The most fields that may be read per object: the search for duplicates is linear.
  public static let maximumFields = 256

  /// The kind of the next value.
  public enum Kind: String, Sendable {
    case object, array, string, number, bool, null
  }

  private struct Container {
    var isObject: Bool
    var isFresh = true
    /// Where the names of this object's fields begin in `keys`.
    var firstKey: Int
  }

  let bytes: [UInt8]
  let maximumDepth: Int
  var position = 0
  /// The field whose value is being read, for error messages.
  var field: String?
  private var open: [Container] = []
  /// The fields that were read in each open object.
  private var keys: [String] = []
  /// The field whose value comes next and has not been read or skipped.
  var unread: String?

  /// Number of open objects and arrays.
  var depth: Int { open.count }

  /// - Parameters:
  ///   - bytes: the whole text.
  ///   - maximumBytes: the longest text allowed; above zero.
  ///   - maximumDepth: how deep arrays and objects may nest, the outermost included.
  public init(_ bytes: [UInt8], maximumBytes: Int, maximumDepth: Int = 32) throws(JSONError) {
    precondition(maximumBytes > 0 && (1...512).contains(maximumDepth), "limits of a JSON text must be sensible")
    self.bytes = bytes
    self.maximumDepth = maximumDepth
    // Enough for the messages this is made for, in one allocation each.
    open.reserveCapacity(2)
    keys.reserveCapacity(8)
    guard bytes.count <= maximumBytes else {
      throw failure(.tooLarge, "\(bytes.count) bytes, at most \(maximumBytes) are taken")
    }
    if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF {
      throw failure(.byteOrderMark, "the text starts with a byte order mark, expected UTF-8 without one")
    }
  }

  /// The kind of the value that comes next, which stays unread.
  public mutating func peek() throws(JSONError) -> Kind {
    switch try significantByte() {
    case UInt8(ascii: "{"): .object
    case UInt8(ascii: "["): .array
    case UInt8(ascii: "\""): .string
    case UInt8(ascii: "t"), UInt8(ascii: "f"): .bool
    case UInt8(ascii: "n"): .null
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): .number
    default: throw failure(.unexpectedByte, "expected a value, found \(found())")
    }
  }

  /// Enters the object that comes next.
  public mutating func beginObject() throws(JSONError) {
    try enter(isObject: true)
  }

  /// The next field's name in the object entered last; nil closes the object. Its value must be read before the next
  /// call, if only by `skipValue`. Fields whose names are not valid Unicode (half of a surrogate pair) are skipped: no
  /// caller knows them.
  public mutating func nextKey() throws(JSONError) -> String? {
    precondition(open.last?.isObject == true, "nextKey belongs into an object")
    while true {
      field = nil
      try noteRead()
      guard try nextMember(closing: UInt8(ascii: "}")) else { return nil }
      guard try significantByte() == UInt8(ascii: "\"") else {
        throw failure(.unexpectedByte, "expected a field's name in quotes, found \(found())")
      }
      let start = position
      let name = try stringContent()
      let key = name.isText ? try text(name) : nil
      field = key
      if let key, keys[open[open.count - 1].firstKey...].contains(key) {
        position = start
        throw failure(.duplicateField, "the field appears twice")
      }
      guard try significantByte() == UInt8(ascii: ":") else {
        throw failure(.unexpectedByte, "expected a colon after the field's name, found \(found())")
      }
      position += 1
      unread = key
      if let key { return key }
      try skipValue()
    }
  }

  /// Records the last field as read, unless its value was skipped.
  private mutating func noteRead() throws(JSONError) {
    guard let key = unread else { return }
    unread = nil
    guard keys.count - open[open.count - 1].firstKey < Self.maximumFields else {
      throw failure(.tooManyFields, "more than \(Self.maximumFields) fields in one object")
    }
    keys.append(key)
  }

  /// Enters the array that comes next.
  public mutating func beginArray() throws(JSONError) {
    try enter(isObject: false)
  }

  /// Whether the array entered last has another element, which must then be read; false closes the array.
  public mutating func nextElement() throws(JSONError) -> Bool {
    precondition(open.last?.isObject == false, "nextElement belongs into an array")
    return try nextMember(closing: UInt8(ascii: "]"))
  }

  /// Checks that only white space is left.
  public mutating func end() throws(JSONError) {
    precondition(open.isEmpty, "end comes after the last object and array are closed")
    field = nil
    skipWhitespace()
    guard position == bytes.count else {
      throw failure(.trailingData, "expected the end of the text, found \(found())")
    }
  }

  private mutating func enter(isObject: Bool) throws(JSONError) {
    try expect(isObject ? .object : .array)
    guard open.count < maximumDepth else { throw depthFailure() }
    position += 1
    if !open.isEmpty, open[open.count - 1].isObject { try noteRead() }
    open.append(Container(isObject: isObject, firstKey: keys.count))
  }

  /// Passes the comma before the next member, or the closing bracket.
  private mutating func nextMember(closing: UInt8) throws(JSONError) -> Bool {
    let byte = try significantByte()
    if byte == closing {
      position += 1
      keys.removeSubrange(open[open.count - 1].firstKey...)
      open.removeLast()
      return false
    }
    if open[open.count - 1].isFresh {
      open[open.count - 1].isFresh = false
      return true
    }
    guard byte == UInt8(ascii: ",") else {
      let closing = Character(Unicode.Scalar(closing))
      throw failure(.unexpectedByte, "expected \",\" or \"\(closing)\", found \(found())")
    }
    position += 1
    return true
  }
}
