internal import Glibc
public import Runtime
public import Values

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
  public static func open(_ address: NetworkAddress) throws(HTTP2Error) -> (descriptor: Int32, port: UInt16) {
    try listen(address, isShared: true)
  }

  /// Fails when another program listens on the address. SO_REUSEPORT alone would let a second program of the same user
  /// in, which then gets half of the connections.
  public static func requireFree(_ address: NetworkAddress) throws(HTTP2Error) {
    _ = Glibc.close(try listen(address, isShared: false).descriptor)
  }

  private static func listen(
    _ address: NetworkAddress, isShared: Bool
  ) throws(HTTP2Error) -> (descriptor: Int32, port: UInt16) {
    do throws(SocketError) {
      return try TCPSocket.listen(address, backlog: 4_096, isShared: isShared)
    } catch {
      throw HTTP2Error(error, "listen on", address)
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
      TCPSocket.setNoDelay(peer)
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
public func connectSocket(_ address: NetworkAddress, timeout: Duration) throws(HTTP2Error) -> Int32 {
  do throws(SocketError) {
    return try TCPSocket.connect(address, timeout: timeout)
  } catch {
    throw HTTP2Error(error, "connect to", address)
  }
}

extension HTTP2Error {
  fileprivate init(_ error: SocketError, _ verb: String, _ address: NetworkAddress) {
    if error.isUnknownHost {
      self.init(.invalidAddress, "cannot resolve '\(address.host)': \(error.reason)")
    } else {
      self.init(.socket, "cannot \(verb) \(address): \(error.reason)")
    }
  }
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
