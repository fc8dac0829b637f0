/// Limits of a reader on one message; they bound memory and stack, whatever a peer sends.
public struct ProtobufLimits: Sendable, Hashable {
  /// The longest message in bytes.
  public var size: Int
  /// Maximum depth of messages and groups below the outermost message; 100 as in Google's parsers.
  public var depth: Int
  /// The most elements of repeated strings, bytes, messages and maps, counted over the whole message.
  ///
  /// Two bytes on the wire can become a struct a hundred times as large; without this the size bounds too little.
  public var elements: Int

  /// 64 MiB, 100 levels, 100,000 elements unless told otherwise.
  @inlinable
  public init(size: Int = 64 << 20, depth: Int = 100, elements: Int = 100_000) {
    precondition(size >= 0 && size <= Int(Int32.max) && depth >= 0 && elements >= 0)
    self.size = size
    self.depth = depth
    self.elements = elements
  }

  /// The limits of a reader that was told nothing else.
  public static let standard = ProtobufLimits()
}
