internal import CNghttp2

/// Finds the frames in a client's bytes before nghttp2 sees them, and those among them that refer to a stream which has
/// ended. A value: bytes in, verdicts out.
///
/// nghttp2 closes the whole connection on DATA or HEADERS for a stream that the peer has ended, and on RST_STREAM for
/// one that has not begun. Clients send both: grpc-core before 1.60 resets a call that it cancels before
/// its headers are out.
struct FrameScanner {
  enum Verdict: Equatable {
    /// It refers to no earlier stream.
    case pass
    /// It continues a stream; `mustFeed` says whether the peer may have ended that stream in frames that nghttp2 has
    /// not seen yet.
    case ongoing(mustFeed: Bool)
    /// RST_STREAM for a stream that has not begun; nghttp2 must not see it.
    case idleReset
  }

  /// The nine bytes before a frame's payload (RFC 9113 section 4.1).
  struct Head: Equatable {
    let length: Int
    let type: UInt8
    let flags: UInt8
    let stream: Int32

    init(length: Int, type: UInt8, flags: UInt8, stream: Int32) {
      self.length = length
      self.type = type
      self.flags = flags
      self.stream = stream
    }

    @inline(__always)
    init(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
      let first = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      length = Int(first >> 40)
      type = UInt8(truncatingIfNeeded: first >> 32)
      flags = UInt8(truncatingIfNeeded: first >> 24)
      stream = Int32(truncatingIfNeeded: (first << 8 | UInt64(bytes[offset + 8])) & 0x7FFF_FFFF)
    }
  }

  static let headSize = 9
  /// A whole RST_STREAM; no part of one is dropped.
  static let resetSize = headSize + 4

  /// The highest stream that has begun.
  private(set) var highest: Int32 = 0
  /// The highest stream that nghttp2 knows.
  private var known: Int32 = 0
  /// One bit per stream, modulo 64, that the peer has ended in bytes that nghttp2 has not seen yet.
  private var ended: UInt64 = 0

  /// nghttp2 has seen all bytes so far.
  @inline(__always)
  mutating func fed() {
    known = highest
    ended = 0
  }

  @inline(__always)
  mutating func judge(_ head: Head) -> Verdict {
    switch UInt32(head.type) {
    case NGHTTP2_HEADERS.rawValue where head.stream > highest:
      highest = head.stream
      if head.flags & Self.endStream != 0 { ended |= bit(head.stream) }
      return .pass
    case NGHTTP2_DATA.rawValue, NGHTTP2_HEADERS.rawValue: return ongoing(head)
    case NGHTTP2_RST_STREAM.rawValue: return reset(head)
    default: return .pass
    }
  }

  @inline(__always)
  private mutating func ongoing(_ head: Head) -> Verdict {
    let bit = bit(head.stream)
    let mustFeed = ended & bit != 0
    if head.flags & Self.endStream != 0 { ended |= bit }
    // A stream that began in the unseen bytes and has not ended there is in order. So is one that has not begun:
    // nghttp2 answers that itself.
    return mustFeed || head.stream <= known ? .ongoing(mustFeed: mustFeed) : .pass
  }

  private mutating func reset(_ head: Head) -> Verdict {
    // Streams of a client have odd numbers; the others are ours, and never idle.
    if head.stream > highest, head.stream & 1 == 1, head.length == 4 { return .idleReset }
    ended |= bit(head.stream)
    return .pass
  }

  @inline(__always)
  private func bit(_ stream: Int32) -> UInt64 { 1 << (UInt64(UInt32(bitPattern: stream) >> 1) & 63) }

  private static let endStream = UInt8(NGHTTP2_FLAG_END_STREAM.rawValue)
}
