internal import Values

/// How a request's body is framed. Where that is open to doubt, the next reader may see other requests than we do, so
/// such a request is refused and its connection ends (RFC 9112 sections 6.3 and 11.2).
enum BodyFraming: Hashable {
  case none
  case length(Int)
  case chunked

  init(_ head: RequestHead) throws(HTTPRefusal) {
    let codings = head.headers.rawValues("transfer-encoding")
    let lengths = head.headers.rawValues("content-length")
    guard codings.isEmpty else {
      guard lengths.isEmpty else { throw .malformed("expected Content-Length or Transfer-Encoding, found both") }
      guard head.version == "HTTP/1.1" else { throw .malformed("Transfer-Encoding is of HTTP/1.1") }
      guard codings.count == 1, codings[0].map(HTTPHeaders.lowered).elementsEqual("chunked".utf8) else {
        throw .unsupportedTransferCoding
      }
      self = .chunked
      return
    }
    guard let digits = lengths.first else {
      self = .none
      return
    }
    guard lengths.count == 1, !digits.isEmpty, digits.allSatisfy({ (0x30...0x39).contains($0) }) else {
      throw .malformed("expected one Content-Length of digits")
    }
    let length = digits.reduce(0) { total, digit in
      total.multiplied(saturating: 10).adding(saturating: Int(digit - 0x30))
    }
    self = length == 0 ? .none : .length(length)
  }
}
