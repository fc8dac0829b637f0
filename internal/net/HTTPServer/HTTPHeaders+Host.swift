extension HTTPHeaders {
  /// Whether the caller has named this server by an address or as `localhost`, in the field `Host`. No site can have
  /// its own name turned into one of these, so a browser that was sent here by a site's name is told apart.
  public var areForAddress: Bool {
    guard let host = self["Host"] else { return false }
    let name = host.hasPrefix("[") ? host.prefix { $0 != "]" }.dropFirst() : host.prefix { $0 != ":" }
    let isAddress = name.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }
    return name == "localhost" || name.contains(":") || isAddress
  }
}
