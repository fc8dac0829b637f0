internal import Values

/// Decides what becomes of a request once its head is there. Pure.
struct RequestIntake {
  /// A request that a route answers.
  struct Accepted {
    var route: Int
    var target: HTTPTarget
    var parameters: [String: String]
    var framing: BodyFraming
    var maxBody: Int
  }
  enum Decision {
    case accept(Accepted)
    case refuse(HTTPRefusal)
    case answer(HTTPResponse)
  }

  let router: HTTPRouter
  let maxTarget: Int
  let maxHeaders: Int
  let answersAddressesOnly: Bool

  /// - Parameter isFull: whether as many requests wait as there may.
  func decide(_ head: RequestHead, isFull: Bool) -> Decision {
    do throws(HTTPRefusal) { return try accept(head, isFull: isFull) } catch { return .refuse(error) }
  }

  private func accept(_ head: RequestHead, isFull: Bool) throws(HTTPRefusal) -> Decision {
    let counted = router.ignoresQuery ? head.target.prefix { $0 != UInt8(ascii: "?") } : head.target[...]
    guard counted.count <= maxTarget else { throw .targetTooLong(limit: maxTarget) }
    guard head.headers.memory <= maxHeaders else { throw .headersTooLarge(limit: maxHeaders) }
    guard head.isPlain, head.headers.areWellFormed, head.method.utf8.allSatisfy(HTTPHeaders.isTokenByte) else {
      throw .malformed("a header field is folded, lacks its CR, or holds a byte that it may not")
    }
    let hosts = head.headers.count(of: "host")
    guard hosts == 1 || (hosts == 0 && head.version == "HTTP/1.0") else { throw .malformed("expected one Host") }
    guard !answersAddressesOnly || head.headers.areForAddress else { throw .misdirected }
    let framing = try BodyFraming(head)
    let target: HTTPTarget
    do throws(EncodedText.Fault) { target = try HTTPTarget(head.target, ignoringQuery: router.ignoresQuery) } catch {
      throw .malformed(error.message)
    }
    switch router.match(method: head.method, target.segments) {
    case .unknown: throw .unknownPath
    case .otherMethod(let allow):
      if head.method == "OPTIONS", let answer = router.options {
        // A body that nobody reads ends the connection.
        return .answer(answer(head.headers, allow))
      }
      throw .methodNotAllowed(allow: allow)
    case .found(let route, let parameters):
      let maxBody = router.routes[route].maxBody
      try check(framing, head.headers, router.routes[route])
      guard !isFull else { throw .overloaded }
      return .accept(
        Accepted(route: route, target: target, parameters: parameters, framing: framing, maxBody: maxBody))
    }
  }

  private func check(_ framing: BodyFraming, _ headers: HTTPHeaders, _ route: HTTPRoute) throws(HTTPRefusal) {
    switch framing {
    case .none: return
    case .length(let length):
      guard length <= route.maxBody else { throw .bodyTooLarge(limit: route.maxBody) }
    case .chunked:
      guard route.maxBody > 0 else { throw .bodyTooLarge(limit: 0) }
    }
    guard route.contentTypes.isEmpty || route.contentTypes.contains(Self.mediaType(headers)) else {
      throw .unsupportedContentType(accepted: route.contentTypes)
    }
  }

  /// Type and subtype in lower case, without parameters; empty where there is none or several.
  private static func mediaType(_ headers: HTTPHeaders) -> String {
    let values = headers.rawValues("content-type")
    guard values.count == 1 else { return "" }
    let type = values[0].prefix { $0 != UInt8(ascii: ";") }.map(HTTPHeaders.lowered)
    let blanks: [UInt8] = [0x20, 0x09]
    let trimmed = type.drop { blanks.contains($0) }.reversed().drop { blanks.contains($0) }.reversed()
    return String(decoding: trimmed, as: UTF8.self)
  }
}

/// The body of one request while it comes. Pure.
struct BodyIntake {
  /// Bytes kept.
  private(set) var bytes: [UInt8] = []
  /// Why the body is thrown away; what still comes is thrown away, too, so that the caller can read the answer.
  private(set) var refusal: HTTPRefusal?
  private var discarded = 0
  private let maxBody: Int

  init(maxBody: Int) { self.maxBody = maxBody }

  /// - Parameter hold: takes so many bytes more from what all bodies may hold together; false when there is no room.
  /// - Returns: false when the connection is to be ended: as much was thrown away as a body may have.
  mutating func receive(_ piece: UnsafeRawBufferPointer, hold: (Int) -> Bool) -> Bool {
    if refusal == nil {
      if piece.count > maxBody - bytes.count {
        discard(.bodyTooLarge(limit: maxBody))
      } else if !hold(piece.count) {
        discard(.overloaded)
      } else {
        append(piece)
        return true
      }
    }
    discarded += piece.count
    return discarded <= max(maxBody, 64 << 10)
  }

  /// The body, which is the handler's from here on: it zeroes one with secrets when it has read it.
  mutating func take() -> [UInt8] {
    defer { bytes = [] }
    return bytes
  }

  /// Forgets what nobody will handle. A part of a card number is one, too.
  mutating func forget() {
    bytes.zeroInPlace()
    bytes = []
  }

  private mutating func discard(_ reason: HTTPRefusal) {
    refusal = reason
    forget()
  }

  /// An array that grows by itself leaves what it held in the memory that it gives back.
  private mutating func append(_ piece: UnsafeRawBufferPointer) {
    if bytes.count + piece.count > bytes.capacity {
      var larger: [UInt8] = []
      larger.reserveCapacity(bytes.count + max(bytes.count, piece.count))
      larger += bytes
      bytes.zeroInPlace()
      bytes = larger
    }
    bytes.append(contentsOf: piece)
  }
}
