/// The target of a request (RFC 9112 section 3.2) taken apart: `/v1/orders/7?wait=1s`, or with the server before it.
struct HTTPTarget: Sendable, Hashable {
  /// The path as it came, without the query.
  let path: String
  /// The decoded parts of the path between its slashes: `/v1/` has `v1` and an empty one.
  let segments: [String]
  let query: HTTPQuery

  init(_ bytes: [UInt8], ignoringQuery: Bool = false) throws(EncodedText.Fault) {
    let target = try Self.origin(bytes)
    let mark = target.firstIndex(of: UInt8(ascii: "?")) ?? target.endIndex
    let path = target[..<mark]
    self.path = String(decoding: path, as: UTF8.self)
    var segments: [String] = []
    for part in path.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
      segments.append(try EncodedText.decode(part))
    }
    self.segments = segments
    query = ignoringQuery ? HTTPQuery() : try HTTPQuery(target[mark...].dropFirst())
  }

  /// The path with the query; the scheme and the server of the absolute form, which proxies use, are passed over.
  private static func origin(_ bytes: [UInt8]) throws(EncodedText.Fault) -> ArraySlice<UInt8> {
    if bytes.first == UInt8(ascii: "/") { return bytes[...] }
    for scheme in ["http://", "https://"] {
      let start = bytes.prefix(scheme.utf8.count)
      guard start.map(HTTPHeaders.lowered).elementsEqual(scheme.utf8) else { continue }
      let rest = bytes.dropFirst(scheme.utf8.count)
      guard let end = rest.firstIndex(where: { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") }) else {
        return [0x2F]
      }
      if bytes[end] == UInt8(ascii: "/") { return bytes[end...] }
      return [0x2F] + bytes[end...]
    }
    throw EncodedText.Fault(message: "the target is no path that begins with a slash")
  }
}
