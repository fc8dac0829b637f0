/// Cuts length-prefixed messages out of DATA, whose boundaries mean nothing (PROTOCOL-HTTP2.md).
struct MessageDeframer {
  struct Message: Equatable {
    /// Whether flag 1, "compressed", was set.
    var isCompressed: Bool
    var bytes: [UInt8]

    /// No message; also the empty one, not compressed.
    static let none = Message(isCompressed: false, bytes: [])
  }
  enum Failure: Error, Equatable {
    /// The prefix announces more than the limit; nothing of the message was kept.
    case tooLong(announced: Int)
    case invalidFlag(UInt8)
  }

  /// The longest message allowed, bytes.
  private(set) var limit: Int
  private var prefix: (flag: UInt8, length: UInt32) = (0, 0)
  private var prefixCount = 0
  private var body: [UInt8] = []

  init(limit: Int) { self.limit = limit }

  /// Drops an incomplete message; `limit` applies from here on.
  mutating func reset(limit: Int) {
    self.limit = limit
    reset()
  }

  /// Drops an incomplete message.
  mutating func reset() {
    prefixCount = 0
    if !body.isEmpty { body = [] }
  }

  /// Whether an incomplete message has begun.
  var isInsideMessage: Bool { prefixCount > 0 }
  /// Memory of an incomplete message, bytes.
  var buffered: Int { body.isEmpty ? 0 : body.capacity }

  /// Takes bytes from the front of `input` until a message is complete or the input is used up (nil).
  mutating func next(_ input: inout UnsafeRawBufferPointer) throws(Failure) -> Message? {
    if prefixCount == 0, input.count >= 5 {
      let length = Int(UInt32(bigEndian: input.loadUnaligned(fromByteOffset: 1, as: UInt32.self)))
      // Nearly always a message comes in one piece.
      if input[0] <= 1, length <= limit, input.count - 5 >= length {
        let message = Message(isCompressed: input[0] == 1, bytes: copy(input, 5, length))
        input = UnsafeRawBufferPointer(rebasing: input[(5 + length)...])
        return message
      }
    }
    return try nextInPieces(&input)
  }

  /// Cheaper than `Array.init`, and without an allocation for no bytes.
  private func copy(_ input: UnsafeRawBufferPointer, _ start: Int, _ count: Int) -> [UInt8] {
    if count == 0 { return [] }
    var bytes = [UInt8](repeating: 0, count: count)
    bytes.withUnsafeMutableBytes {
      $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: input[start..<start + count]))
    }
    return bytes
  }

  private mutating func nextInPieces(_ input: inout UnsafeRawBufferPointer) throws(Failure) -> Message? {
    while prefixCount < 5 {
      guard let byte = input.first else { return nil }
      input = UnsafeRawBufferPointer(rebasing: input.dropFirst())
      if prefixCount == 0 {
        if byte > 1 { throw .invalidFlag(byte) }
        prefix = (byte, 0)
      } else {
        prefix.length = prefix.length << 8 | UInt32(byte)
      }
      prefixCount += 1
      if prefixCount == 5, Int(prefix.length) > limit { throw .tooLong(announced: Int(prefix.length)) }
    }
    let wanted = Int(prefix.length) - body.count
    let taken = min(wanted, input.count)
    // Memory grows with the bytes received, not with the length announced.
    body.append(contentsOf: input.prefix(taken))
    input = UnsafeRawBufferPointer(rebasing: input.dropFirst(taken))
    guard taken == wanted else { return nil }
    let message = Message(isCompressed: prefix.flag == 1, bytes: body)
    body = []
    prefixCount = 0
    return message
  }
}
