internal import Glibc

/// The rules of RFC 9113 section 8 for a request: header block, trailers and length of the body.
///
/// nghttp2's own checks are off in a server, because they require `:authority` or `host`, which gRPC callers may leave
/// out. All other rules are those of nghttp2 1.52.
struct RequestCheck {
  private enum Seen {
    static let method: UInt16 = 1 << 0
    static let scheme: UInt16 = 1 << 1
    static let path: UInt16 = 1 << 2
    static let authority: UInt16 = 1 << 3
    static let host: UInt16 = 1 << 4
    /// No pseudo-header may follow: a regular field, or the block is trailers.
    static let regular: UInt16 = 1 << 5
    static let connect: UInt16 = 1 << 6
    static let options: UInt16 = 1 << 7
    static let webScheme: UInt16 = 1 << 8
    static let slashPath: UInt16 = 1 << 9
    static let starPath: UInt16 = 1 << 10
  }

  private var seen: UInt16 = 0
  /// The value of `content-length`; -1: none.
  private var announced: Int64 = -1
  private var received: Int64 = 0

  /// The next block is the trailers.
  mutating func beginTrailers() { seen |= Seen.regular }

  /// Whether a field is valid at its place.
  @inline(__always)
  mutating func field(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool {
    guard let first = name.first else { return false }
    return first == UInt8(ascii: ":") ? pseudo(name, value) : regular(name, value)
  }

  private mutating func pseudo(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool {
    guard seen & Seen.regular == 0, let first = value.first else { return false }
    let found: UInt16
    switch name.count {
    case 5 where name.isText(":path"):
      guard value.isText(above: 0x20) else { return false }
      found = Seen.path
      if first == UInt8(ascii: "/") {
        seen |= Seen.slashPath
      } else if value.isText("*") {
        seen |= Seen.starPath
      }
    case 7 where name.isText(":method"):
      found = Seen.method
      if !value.isText("POST") {
        guard CharacterSet.method.holdsAll(of: value) else { return false }
        if value.isText("CONNECT") { seen |= Seen.connect }
        if value.isText("OPTIONS") { seen |= Seen.options }
      }
    case 7 where name.isText(":scheme"):
      found = Seen.scheme
      if value.isText("http") || value.isText("https") {
        seen |= Seen.webScheme
      } else {
        guard CharacterSet.scheme.holdsAll(of: value), CharacterSet.letter.holds(first) else { return false }
        if value.isText("http", caseIgnored: true) || value.isText("https", caseIgnored: true) {
          seen |= Seen.webScheme
        }
      }
    case 10 where name.isText(":authority"):
      guard CharacterSet.authority.holdsAll(of: value) else { return false }
      found = Seen.authority
    default: return false
    }
    guard seen & found == 0 else { return false }
    seen |= found
    return true
  }

  private mutating func regular(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool {
    seen |= Seen.regular
    guard CharacterSet.name.holdsAll(of: name), value.isFieldValue else { return false }
    // The length tells nearly all names apart without comparing text.
    switch name.count {
    case 2 where name.isText("te"): return value.isText("trailers", caseIgnored: true)
    case 4 where name.isText("host"):
      guard !value.isEmpty, seen & Seen.host == 0, CharacterSet.authority.holdsAll(of: value) else { return false }
      seen |= Seen.host
    case 7 where name.isText("upgrade"), 10 where name.isText("connection") || name.isText("keep-alive"),
      16 where name.isText("proxy-connection"), 17 where name.isText("transfer-encoding"):
      return false
    case 14 where name.isText("content-length"):
      guard announced < 0, let length = Self.length(value) else { return false }
      announced = length
    default: break
    }
    return true
  }

  private static func length(_ digits: UnsafeRawBufferPointer) -> Int64? {
    guard !digits.isEmpty else { return nil }
    var length: Int64 = 0
    for digit in digits {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      let (product, isLarge) = length.multipliedReportingOverflow(by: 10)
      let (sum, isLarger) = product.addingReportingOverflow(Int64(digit & 0x0F))
      guard !isLarge, !isLarger else { return nil }
      length = sum
    }
    return length
  }

  /// Whether the fields so far are a valid request.
  mutating func isRequest() -> Bool {
    if seen & Seen.connect != 0 {
      announced = -1
      return seen & (Seen.scheme | Seen.path) == 0 && seen & Seen.authority != 0
    }
    let needed = Seen.method | Seen.scheme | Seen.path
    guard seen & needed == needed else { return false }
    if seen & (Seen.webScheme | Seen.slashPath) != Seen.webScheme { return true }
    return seen & (Seen.options | Seen.starPath) == Seen.options | Seen.starPath
  }

  /// - Returns: false when the body is longer than `content-length`.
  @inline(__always)
  mutating func body(_ count: Int) -> Bool {
    received &+= Int64(count)
    return announced < 0 || received <= announced
  }

  /// Whether the body has the length of `content-length`.
  @inline(__always)
  var isWhole: Bool { announced < 0 || received == announced }
}

/// A set of ASCII characters.
private struct CharacterSet {
  let low: UInt64
  let high: UInt64

  /// RFC 9110's token without upper case.
  static let name = CharacterSet(low: 0x03FF_6CFA_0000_0000, high: 0x57FF_FFFF_C000_0000)
  static let method = CharacterSet(low: 0x03FF_6CFA_0000_0000, high: 0x57FF_FFFF_C7FF_FFFE)
  static let letter = CharacterSet(low: 0, high: 0x07FF_FFFE_07FF_FFFE)
  static let scheme = CharacterSet(low: 0x03FF_6800_0000_0000, high: 0x07FF_FFFE_07FF_FFFE)
  /// RFC 3986's reg-name, with what an address, user information and a port need beside it.
  static let authority = CharacterSet(low: 0x2FFF_7FF2_0000_0000, high: 0x47FF_FFFE_AFFF_FFFF)

  @inline(__always)
  func holds(_ byte: UInt8) -> Bool {
    byte < 128 && (byte < 64 ? low : high) &>> UInt64(byte) & 1 == 1
  }

  @inline(__always)
  func holdsAll(of bytes: UnsafeRawBufferPointer) -> Bool {
    for byte in bytes where !holds(byte) { return false }
    return true
  }
}

extension UnsafeRawBufferPointer {
  /// Inlined, so that the compiler turns the comparison with a short constant into one or two of words.
  @inline(__always)
  fileprivate func isText(_ text: StaticString) -> Bool {
    // Same length, and `text` is not empty: there is an address.
    count == text.utf8CodeUnitCount && memcmp(baseAddress!, text.utf8Start, text.utf8CodeUnitCount) == 0
  }

  /// - Parameter text: without upper case.
  fileprivate func isText(_ text: StaticString, caseIgnored: Bool) -> Bool {
    if isText(text) { return true }
    return count == text.utf8CodeUnitCount
      && indices.allSatisfy { at in
        let isUpper = (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self[at])
        return (isUpper ? self[at] | 0x20 : self[at]) == text.utf8Start[at]
      }
  }

  /// Whether the bytes are text of RFC 9113 section 8.2.1: no control characters but tabs, no space at either end.
  @inline(__always)
  fileprivate var isFieldValue: Bool {
    guard let first, let last else { return true }
    if first == 0x20 || first == 0x09 || last == 0x20 || last == 0x09 { return false }
    return isText(above: 0x1F) || allSatisfy { $0 == 0x09 || $0 > 0x1F && $0 != 0x7F }
  }

  /// Whether no byte is at or below `least`, which is below 0x80, or DEL; eight at a time.
  @inline(__always)
  fileprivate func isText(above least: UInt8) -> Bool {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let tops: UInt64 = 0x8080_8080_8080_8080
    var wrong: UInt64 = 0
    var at = 0
    while at &+ 8 <= count {
      let word = loadUnaligned(fromByteOffset: at, as: UInt64.self)
      let del = word ^ ones &* 0x7F
      // A borrow from the byte below can only make a wrong byte of one that stands above a wrong byte.
      wrong |= (word &- ones &* UInt64(least &+ 1)) & ~word & tops
      wrong |= (del &- ones) & ~del & tops
      at &+= 8
    }
    guard wrong == 0 else { return false }
    while at < count {
      if self[at] <= least || self[at] == 0x7F { return false }
      at &+= 1
    }
    return true
  }
}
