internal import GRPC

extension ServerContext {
  /// Who calls, as events keep it: the address, and before it and an `@` the name that a client certificate gave.
  ///
  /// The name is the certificate's first URI, else its first DNS name, else its subject; everything but visible ASCII
  /// is percent-encoded in it, `%` and `@` too, and it is cut at 200 bytes.
  var caller: String {
    guard let name = peerName else { return peer }
    return "\(CallerName.escape(name))@\(peer)"
  }
}

/// The name in a client's certificate on its way into a header.
enum CallerName {
  static let longest = 200

  static func escape(_ name: String) -> String {
    var text: [UInt8] = []
    for byte in name.utf8 {
      let isPlain = (0x21...0x7E).contains(byte) && byte != UInt8(ascii: "%") && byte != UInt8(ascii: "@")
      let part = isPlain ? [byte] : [UInt8(ascii: "%"), hexadecimal(byte >> 4), hexadecimal(byte & 15)]
      if text.count + part.count > longest { break }
      text += part
    }
    return String(decoding: text, as: UTF8.self)
  }

  private static func hexadecimal(_ digit: UInt8) -> UInt8 { digit < 10 ? 0x30 + digit : 0x37 + digit }
}
