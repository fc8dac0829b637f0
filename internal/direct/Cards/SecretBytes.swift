/// Bytes that must not leave memory: in pages that are locked (no swap) and left out of dumps, and zeroed at the end.
///
/// It has one owner, so that the end of its owner is the end of the bytes. Callable on any thread.
public struct SecretBytes: ~Copyable, Sendable {
  private let block: SecretArena.Block
  /// How many bytes there are.
  public let count: Int

  /// Bytes that are zero until `fill` has written them.
  /// - Parameter count: from 0 to 4,096.
  public init(count: Int, fill: (inout MutableRawSpan) -> Void) {
    block = SecretArena.shared.take(count)
    self.count = count
    Self.fill(block, count, fill)
  }

  private static func fill(_ block: SecretArena.Block, _ count: Int, _ fill: (inout MutableRawSpan) -> Void) {
    var bytes = MutableRawSpan(_unsafeStart: block.start, byteCount: count)
    fill(&bytes)
  }

  /// A copy of the bytes.
  public init(copying bytes: RawSpan) {
    self.init(count: bytes.byteCount) { copy in
      for index in 0..<bytes.byteCount {
        copy.storeBytes(
          of: bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self), toByteOffset: index, as: UInt8.self)
      }
    }
  }

  deinit { SecretArena.shared.giveBack(block) }

  /// Calls the closure with the bytes, which are there only during the call.
  public func withBytes<Result: ~Copyable>(_ body: (RawSpan) -> Result) -> Result {
    body(RawSpan(_unsafeStart: UnsafeRawPointer(block.start), byteCount: count))
  }
}

/// What a program says of the memory of its secrets.
public enum SecretMemory {
  /// Has `tell` called with the reason, once, when the system refuses to lock memory: secrets may then be written to
  /// swap, and the program goes on. Callable on any thread; a later call replaces an earlier one.
  public static func whenNotLocked(_ tell: @escaping @Sendable (_ reason: String) -> Void) {
    SecretArena.shared.whenNotLocked(tell)
  }
}
