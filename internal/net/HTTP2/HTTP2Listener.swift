internal import Glibc
public import Runtime
internal import Values

/// Where to listen or whom to call.
public struct HTTP2Address: Sendable, Hashable, CustomStringConvertible {
  /// A name or a numeric address, IPv6 without brackets.
  public let host: String
  /// 0 to 65,535; 0 means any free port where something listens.
  public let port: Int

  /// Nothing is looked up or checked yet.
  public init(host: String, port: Int) {
    self.host = host
    self.port = port
  }

  /// Reads `host:port`; an IPv6 host stands in brackets, an empty host means every address, IPv6 too.
  public init(_ text: String) throws(HTTP2Error) {
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
      (0...65_535).contains(port)
    else {
      throw HTTP2Error(.invalidAddress, "expected an address as HOST:PORT with a port up to 65535, found '\(text)'")
    }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    self.init(host: host.isEmpty ? NetworkAddress.everyHost : String(host), port: port)
  }

  public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

  /// Calls `body` with each address the name stands for until one gives a descriptor.
  ///
  /// To listen on every address of a machine without IPv6 is to listen on every IPv4 address.
  func resolve(passive: Bool, _ body: (addrinfo) -> Int32?) throws(HTTP2Error) -> Int32 {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = passive ? AI_PASSIVE : 0
    var list: UnsafeMutablePointer<addrinfo>?
    let status = getaddrinfo(host, String(port), &hints, &list)
    guard status == 0 else {
      throw HTTP2Error(.invalidAddress, "cannot resolve '\(host)': \(String(cString: gai_strerror(status)))")
    }
    defer { freeaddrinfo(list) }
    var next = list
    var failure: Int32 = 0
    while let entry = next {
      if let descriptor = body(entry.pointee) { return descriptor }
      failure = errno
      next = entry.pointee.ai_next
    }
    if passive, host == NetworkAddress.everyHost, failure == EAFNOSUPPORT || failure == EADDRNOTAVAIL {
      return try HTTP2Address(host: "0.0.0.0", port: port).resolve(passive: true, body)
    }
    let verb = passive ? "listen on" : "connect to"
    throw HTTP2Error(.socket, "cannot \(verb) \(self): \(String(cString: strerror(failure)))")
  }
}

/// A listening socket on one loop. Several loops listen on one port with SO_REUSEPORT, and the kernel spreads
/// connections over them.
public final class HTTP2Listener: EventSource, EventLoopTimerTarget {
  private let loop: EventLoop
  private let descriptor: Int32
  private let accepted: (Int32, HTTP2Peer) -> Void
  private let failed: (String) -> Void
  private var source: EventSourceID?
  private var pause: EventLoopTimer?

  /// Accepting pauses for this long when descriptors run out; callers wait in the backlog.
  private static let pauseTime = Duration.milliseconds(100)
  private static let perTurn = 64

  /// Opens a socket that can be handed to `init`; callable on any thread.
  /// - Returns: the descriptor and the port, which the kernel chose if it was 0.
  public static func open(_ address: HTTP2Address) throws(HTTP2Error) -> (descriptor: Int32, port: Int) {
    let descriptor = try bound(address, isShared: true)
    return (descriptor, localPort(descriptor))
  }

  /// Fails when another program listens on the address. SO_REUSEPORT alone would let a second program of the same user
  /// in, which then gets half of the connections.
  public static func requireFree(_ address: HTTP2Address) throws(HTTP2Error) {
    _ = Glibc.close(try bound(address, isShared: false))
  }

  private static func bound(_ address: HTTP2Address, isShared: Bool) throws(HTTP2Error) -> Int32 {
    try address.resolve(passive: true) { info in
      let type = info.ai_socktype | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
      let descriptor = socket(info.ai_family, type, info.ai_protocol)
      guard descriptor >= 0 else { return nil }
      setOption(descriptor, SOL_SOCKET, SO_REUSEADDR)
      // "Every address" includes IPv4, whatever the system's default.
      if info.ai_family == AF_INET6 { setOption(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, to: 0) }
      if isShared { setOption(descriptor, SOL_SOCKET, SO_REUSEPORT) }
      if bind(descriptor, info.ai_addr, info.ai_addrlen) == 0, listen(descriptor, 4_096) == 0 { return descriptor }
      let failure = errno
      _ = Glibc.close(descriptor)
      errno = failure
      return nil
    }
  }

  /// Starts accepting on the loop's thread.
  /// - Parameters:
  ///   - accepted: takes over a connected, non-blocking descriptor.
  ///   - failed: told when accepting has to pause.
  public init(
    descriptor: Int32, loop: EventLoop, accepted: @escaping (Int32, HTTP2Peer) -> Void,
    failed: @escaping (String) -> Void
  ) {
    self.descriptor = descriptor
    self.loop = loop
    self.accepted = accepted
    self.failed = failed
    source = loop.add(self, descriptor: descriptor, interest: .readable)
  }

  public func handle(_ readiness: Readiness) {
    for _ in 0..<Self.perTurn {
      var storage = sockaddr_storage()
      var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
      let peer = withUnsafeMutablePointer(to: &storage) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { accept(descriptor, $0, &length) }
      }
      if peer < 0 {
        switch errno {
        case EAGAIN: return
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: return pauseAccepting(String(cString: strerror(errno)))
        default: continue  // this connection has closed already
        }
      }
      _ = fcntl(peer, F_SETFL, O_NONBLOCK)
      _ = fcntl(peer, F_SETFD, FD_CLOEXEC)
      setOption(peer, Int32(IPPROTO_TCP), TCP_NODELAY)
      accepted(peer, HTTP2Peer(storage))
    }
  }

  private func pauseAccepting(_ reason: String) {
    guard let source, pause == nil else { return }
    failed(reason)
    loop.update(source, interest: [])
    pause = loop.schedule(at: loop.now + Self.pauseTime, self)
  }

  public func timerFired(_ token: UInt64) {
    pause = nil
    if let source { loop.update(source, interest: .readable) }
  }

  /// Stops listening; connections that wait in the backlog are refused. On the loop's thread.
  public func close() {
    guard let source else { return }
    if let pause { loop.cancel(pause) }
    loop.remove(source)
    self.source = nil
    _ = Glibc.close(descriptor)
  }
}

/// Opens a connection and waits for it; callable on any thread that may block.
public func connectSocket(_ address: HTTP2Address, timeout: Duration) throws(HTTP2Error) -> Int32 {
  try address.resolve(passive: false) { info in
    let type = info.ai_socktype | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let descriptor = socket(info.ai_family, type, info.ai_protocol)
    guard descriptor >= 0 else { return nil }
    setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY)
    if connect(descriptor, info.ai_addr, info.ai_addrlen) == 0 { return descriptor }
    var failure = errno
    if failure == EINPROGRESS {
      var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      let count = Glibc.poll(&poll, 1, Int32(clamping: timeout.inMilliseconds))
      var length = socklen_t(MemoryLayout<Int32>.size)
      if count == 1 { getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &length) } else { failure = ETIMEDOUT }
      if failure == 0 { return descriptor }
    }
    close(descriptor)
    errno = failure
    return nil
  }
}

private func setOption(_ descriptor: Int32, _ level: Int32, _ name: Int32, to value: Int32 = 1) {
  var value = value
  setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
}

private func localPort(_ descriptor: Int32) -> Int {
  var storage = sockaddr_storage()
  var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
  withUnsafeMutablePointer(to: &storage) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(descriptor, $0, &length) }
  }
  return endpoint(storage).port
}

private func endpoint(_ storage: sockaddr_storage) -> (host: String, port: Int) {
  withUnsafePointer(to: storage) { pointer in
    if Int32(storage.ss_family) == AF_INET6 {
      return pointer.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { address in
        var raw = address.pointee.sin6_addr
        return (text(AF_INET6, &raw), Int(UInt16(bigEndian: address.pointee.sin6_port)))
      }
    }
    return pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { address in
      var raw = address.pointee.sin_addr
      return (text(AF_INET, &raw), Int(UInt16(bigEndian: address.pointee.sin_port)))
    }
  }
}

private func text(_ family: Int32, _ raw: UnsafeRawPointer) -> String {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
    guard let base = buffer.baseAddress, inet_ntop(family, raw, base, 64) != nil else { return "" }
    return String(cString: base)
  }
}

/// The other end of an accepted connection.
public struct HTTP2Peer: Sendable, Hashable {
  /// As gRPC names it: `ipv4:10.0.0.1:5000`, `ipv6:[::1]:5000`.
  public let address: String
  /// The key of limits per peer: an IPv4 address, or the first 64 bits of an IPv6 address: a single caller commonly has
  /// the whole /64.
  public let network: String

  /// For tests and for transports without a socket.
  public init(address: String, network: String) {
    self.address = address
    self.network = network
  }

  init(_ storage: sockaddr_storage) {
    let (host, port) = endpoint(storage)
    // An IPv4 peer of a socket that serves both.
    let isMapped = host.hasPrefix("::ffff:") && host.contains(".")
    if Int32(storage.ss_family) == AF_INET6, !isMapped {
      self.init(address: "ipv6:[\(host)]:\(port)", network: prefix(storage))
    } else {
      let plain = isMapped ? String(host.dropFirst(7)) : host
      self.init(address: "ipv4:\(plain):\(port)", network: plain)
    }
  }
}

private func prefix(_ storage: sockaddr_storage) -> String {
  withUnsafePointer(to: storage) { pointer in
    pointer.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { address in
      var raw = address.pointee.sin6_addr
      withUnsafeMutableBytes(of: &raw) { bytes in
        for index in 8..<16 { bytes[index] = 0 }
      }
      return text(AF_INET6, &raw)
    }
  }
}

/// Closes a descriptor that nobody has taken over.
public func closeDescriptor(_ descriptor: Int32) { _ = close(descriptor) }
