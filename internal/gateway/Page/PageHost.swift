internal import HTTPServer

/// Under which name a browser has reached a page.
enum PageHost {
  /// Whether it is an address or `localhost`: no site can have its own name turned into one of these.
  static func isLocal(_ request: HTTPRequest) -> Bool {
    guard let host = request.headers["Host"] else { return false }
    let name = host.hasPrefix("[") ? host.prefix { $0 != "]" }.dropFirst() : host.prefix { $0 != ":" }
    let isAddress = name.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }
    return name == "localhost" || name.contains(":") || isAddress
  }
}
