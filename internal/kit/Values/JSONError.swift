/// Why a JSON text was refused, and where.
///
/// It never quotes a value, so that `description` is safe to log; a field's name is quoted, cut to 64 bytes.
public struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The kind of failure, for code to act on.
  public enum Code: Sendable, Hashable {
    /// Longer, deeper or with more fields than the reader takes.
    case tooLarge, tooDeep, tooManyFields
    /// The text ends in the middle of a value.
    case truncated
    /// A byte that no JSON text (RFC 8259) has at this place.
    case unexpectedByte
    /// Text after the one value that was expected, or a byte order mark before it.
    case trailingData, byteOrderMark
    /// A string with bytes that are not UTF-8, an escape that is none, or a bare control character.
    case invalidUTF8, invalidEscape, controlCharacter
    /// A value of another type than the field has.
    case wrongType
    /// A number with a fraction or exponent, or beyond 64 bits, where an integer is due.
    case notAnInteger, integerOutOfRange
    /// A number or string that is no amount of money where one is due.
    case notAnAmount(DecimalAmount.Fault)
    /// A string that is not a UUID where one is due.
    case notAnIdentifier
    /// A field that is there twice: which one counts would depend on the reader.
    case duplicateField
  }

  /// The kind of failure.
  public let code: Code
  /// The byte, from 0, at which reading stopped.
  public let offset: Int
  /// The field that was being read, when there is one.
  public let field: String?
  /// What was expected and what was found.
  public let message: String

  init(_ code: Code, at offset: Int, field: String?, _ message: String) {
    self.code = code
    self.offset = offset
    self.field = field
    self.message = message
  }

  public var description: String {
    guard let field else { return "byte \(offset): \(message)" }
    let shown = field.utf8.count <= 64 ? field : "\(String(decoding: field.utf8.prefix(64), as: UTF8.self))…"
    return "field \"\(shown)\" at byte \(offset): \(message)"
  }
}
