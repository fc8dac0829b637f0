internal import Glibc
public import Values

/// Opens TCP sockets that block nobody: to listen, and to call. Callable on any thread that may wait for a name to be
/// looked up.
public enum TCPSocket {
  /// Opens a socket that listens. To listen on every address of a machine without IPv6 is to listen on every IPv4
  /// address.
  /// - Parameters:
  ///   - backlog: how many connections wait to be accepted.
  ///   - isShared: lets other sockets of this user listen there too, between which the kernel spreads the connections.
  /// - Returns: the descriptor, which is the caller's to close, and the port, which the kernel chose if it was 0.
  public static func listen(
    _ address: NetworkAddress, backlog: Int32, isShared: Bool = false
  ) throws(SocketError) -> (descriptor: Int32, port: UInt16) {
    do throws(SocketError) {
      let descriptor = try open(address, flags: AI_PASSIVE) { descriptor, info in
        setOption(descriptor, SOL_SOCKET, SO_REUSEADDR)
        // "Every address" includes IPv4, whatever the system's default.
        if info.ai_family == AF_INET6 { setOption(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, to: 0) }
        if isShared { setOption(descriptor, SOL_SOCKET, SO_REUSEPORT) }
        let isListening =
          bind(descriptor, info.ai_addr, info.ai_addrlen) == 0 && Glibc.listen(descriptor, backlog) == 0
        return isListening ? 0 : errno
      }
      return (descriptor, localPort(descriptor))
    } catch {
      guard address.host == NetworkAddress.everyHost, error.isWithoutFamily else { throw error }
      return try listen(NetworkAddress(host: "0.0.0.0", port: address.port), backlog: backlog, isShared: isShared)
    }
  }

  /// Opens a connection and waits for it.
  /// - Parameter timeout: how long each of the address's numeric ones is tried.
  /// - Returns: the descriptor, which is the caller's to close.
  public static func connect(_ address: NetworkAddress, timeout: Duration) throws(SocketError) -> Int32 {
    try open(address, flags: 0) { descriptor, info in
      setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY)
      if Glibc.connect(descriptor, info.ai_addr, info.ai_addrlen) == 0 { return 0 }
      guard errno == EINPROGRESS else { return errno }
      var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      guard Glibc.poll(&poll, 1, Int32(clamping: timeout.inMilliseconds)) == 1 else { return ETIMEDOUT }
      var failure: Int32 = 0
      var length = socklen_t(MemoryLayout<Int32>.size)
      getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &length)
      return failure
    }
  }

  /// Sends what is written at once, without waiting for more (TCP_NODELAY).
  public static func setNoDelay(_ descriptor: Int32) { setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY) }

  /// Has the kernel ask a silent peer whether it is there, and end the connection when it has not answered for a minute
  /// (TCP_USER_TIMEOUT), whether or not anything was sent to it.
  public static func watchPeer(_ descriptor: Int32) {
    let level = Int32(IPPROTO_TCP)
    setOption(descriptor, level, TCP_KEEPIDLE, to: 30)
    setOption(descriptor, level, TCP_KEEPINTVL, to: 10)
    setOption(descriptor, level, TCP_USER_TIMEOUT, to: 60_000)
    setOption(descriptor, SOL_SOCKET, SO_KEEPALIVE)
  }

  /// Opens a socket for the first of the address's numeric ones for which `use` gives 0 rather than an `errno`.
  private static func open(
    _ address: NetworkAddress, flags: Int32, _ use: (Int32, addrinfo) -> Int32
  ) throws(SocketError) -> Int32 {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = flags | AI_NUMERICSERV
    var found: UnsafeMutablePointer<addrinfo>?
    let status = getaddrinfo(address.host, "\(address.port)", &hints, &found)
    guard status == 0 else { throw SocketError(unknownHost: String(cString: gai_strerror(status))) }
    defer { freeaddrinfo(found) }
    var failure: Int32 = 0
    var next = found
    while let info = next?.pointee {
      next = info.ai_next
      let type = info.ai_socktype | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
      let descriptor = socket(info.ai_family, type, info.ai_protocol)
      failure = descriptor < 0 ? errno : use(descriptor, info)
      if failure == 0 { return descriptor }
      if descriptor >= 0 { close(descriptor) }
    }
    throw SocketError(errno: failure)
  }

  private static func setOption(_ descriptor: Int32, _ level: Int32, _ name: Int32, to value: Int32 = 1) {
    var value = value
    setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
  }

  private static func localPort(_ descriptor: Int32) -> UInt16 {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutableBytes(of: &storage) { bytes in
      // In bounds and aligned: every socket address fits into the storage, and begins like a sockaddr.
      getsockname(descriptor, bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length)
      // sin_port and sin6_port both follow the two bytes of the family, in network order.
      return UInt16(bytes[2]) << 8 | UInt16(bytes[3])
    }
  }
}

/// Why a socket could not be opened; whoever wanted it says for what.
public struct SocketError: Error, Sendable, Hashable {
  /// Whether the host has no address; otherwise the system refused.
  public let isUnknownHost: Bool
  /// What the system says, such as `Address already in use`.
  public let reason: String
  private let number: Int32

  init(unknownHost reason: String) { (isUnknownHost, self.reason, number) = (true, reason, 0) }

  init(errno number: Int32) {
    (isUnknownHost, reason, self.number) = (false, String(cString: strerror(number)), number)
  }

  /// Whether the machine has no addresses of that family.
  var isWithoutFamily: Bool { number == EAFNOSUPPORT || number == EADDRNOTAVAIL }
}
