/// Why bytes are no valid protobuf message; never holds any of them, so it is safe to log.
///
/// A plain error of two words, because the module depends on nothing; throwing it allocates nothing. A retry never
/// helps: the peer's bytes are wrong.
public struct ProtobufError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The kind of failure, for code to act on.
  public enum Code: UInt8, Sendable, Hashable {
    /// The bytes end inside a field.
    case truncated
    /// A varint goes on after ten bytes.
    case malformedVarint
    /// A tag that is longer than 32 bits, has field number 0, or has wire type 6 or 7.
    case invalidTag
    /// A group ends that was not begun, or under another number.
    case unbalancedGroup
    /// A string field holds something other than UTF-8.
    case invalidUTF8
    /// Messages or groups are nested deeper than ``ProtobufLimits/depth``.
    case tooDeep
    /// The message is longer than ``ProtobufLimits/size``.
    case tooLarge
    /// Repeated fields have more elements than ``ProtobufLimits/elements``.
    case tooManyElements
  }

  /// The kind of failure.
  public let code: Code
  /// Where reading stopped, in bytes from the beginning of the outermost message.
  public let offset: Int

  /// An error of the kind `code` at byte `offset`.
  @inlinable
  public init(_ code: Code, at offset: Int) {
    self.code = code
    self.offset = offset
  }

  /// What was expected and what was found, for people.
  public var message: String { "protobuf: \(code.explanation) (at byte \(offset))" }

  public var description: String { message }
}

extension ProtobufError.Code {
  fileprivate var explanation: String {
    switch self {
    case .truncated: "the message ends inside a field; it was cut off or is of another type"
    case .malformedVarint: "a varint has at most 10 bytes, this one goes on"
    case .invalidTag: "a tag needs 32 bits at most, a field number from 1 and a wire type from 0 to 5"
    case .unbalancedGroup: "a group ends that was not begun, or is not ended by its own number"
    case .invalidUTF8: "a string field must hold UTF-8"
    case .tooDeep: "the message is nested deeper than allowed"
    case .tooLarge: "the message is longer than allowed"
    case .tooManyElements: "the repeated fields have more elements than allowed"
    }
  }
}
