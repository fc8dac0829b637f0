internal import CMicrohttpd
internal import Glibc
internal import Values

/// A TCP socket that listens. Made here and handed to the HTTP library, since that library tells the bound port only
/// through a variadic function, and no reason when binding fails.
struct ListeningSocket {
  let descriptor: Int32
  let port: UInt16

  init(_ address: NetworkAddress) throws(AdminError) {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
    var found: UnsafeMutablePointer<addrinfo>?
    let status = getaddrinfo(address.host, "\(address.port)", &hints, &found)
    guard status == 0, let first = found else {
      throw AdminError(.unknownHost, "ADMIN_ADDR \(address): \(String(cString: gai_strerror(status)))")
    }
    defer { freeaddrinfo(first) }
    var reason: Int32 = 0
    var candidate: UnsafeMutablePointer<addrinfo>? = first
    while let info = candidate {
      if let (descriptor, port) = Self.listen(info.pointee, &reason) {
        (self.descriptor, self.port) = (descriptor, port)
        return
      }
      candidate = info.pointee.ai_next
    }
    if address.host == NetworkAddress.everyHost, reason == EAFNOSUPPORT || reason == EADDRNOTAVAIL {
      // A machine without IPv6.
      self = try ListeningSocket(NetworkAddress(host: "0.0.0.0", port: address.port))
      return
    }
    throw AdminError(.cannotListen, "cannot listen on ADMIN_ADDR \(address): \(String(cString: strerror(reason)))")
  }

  private static func listen(_ info: addrinfo, _ reason: inout Int32) -> (descriptor: Int32, port: UInt16)? {
    let descriptor = socket(info.ai_family, info.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), info.ai_protocol)
    guard descriptor >= 0 else {
      reason = errno
      return nil
    }
    var yes: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    if info.ai_family == AF_INET6 {
      // Every address is IPv4 too, whatever the system's default.
      var no: Int32 = 0
      setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &no, socklen_t(MemoryLayout<Int32>.size))
    }
    guard bind(descriptor, info.ai_addr, info.ai_addrlen) == 0, Glibc.listen(descriptor, 64) == 0 else {
      reason = errno
      close(descriptor)
      return nil
    }
    return (descriptor, boundPort(descriptor))
  }

  private static func boundPort(_ descriptor: Int32) -> UInt16 {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutableBytes(of: &storage) { bytes in
      getsockname(descriptor, bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length)
      // sin_port and sin6_port both follow the two bytes of the family, in network order.
      return UInt16(bytes[2]) << 8 | UInt16(bytes[3])
    }
  }
}
