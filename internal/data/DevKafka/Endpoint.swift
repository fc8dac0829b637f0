import Glibc

/// An IPv4 address and port of this machine's loopback interface.
struct Endpoint: CustomStringConvertible {
  var host: String
  /// 0 is any free port.
  var port: UInt16

  var description: String { "\(host):\(port)" }

  /// Parses `HOST:PORT` and refuses what others could reach: there is no authentication.
  static func loopback(_ text: String, _ option: String) throws(Options.Mistake) -> Endpoint {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let port = UInt16(parts[1]) else {
      throw Options.Mistake(message: "\(option) expects HOST:PORT, found \"\(text)\"")
    }
    let host = parts[0] == "localhost" ? "127.0.0.1" : String(parts[0])
    var address = in_addr()
    guard inet_pton(AF_INET, host, &address) == 1, UInt32(bigEndian: address.s_addr) >> 24 == 127 else {
      throw Options.Mistake(
        message: "\(option) \(text): only loopback addresses (127.0.0.1, localhost) are served, as anyone who"
          + " reaches the port can read and write everything")
    }
    return Endpoint(host: host, port: port)
  }

  /// Opens a listening socket.
  /// - Returns: the socket and the endpoint with the port it got.
  func listen(_ option: String) throws(Options.Mistake) -> (socket: Int32, endpoint: Endpoint) {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var on: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
    guard withAddress({ bind(descriptor, $0, $1) }) == 0, Glibc.listen(descriptor, 128) == 0 else {
      let reason =
        errno == EADDRINUSE
        ? "the port is taken; stop what uses it (ss -ltnp shows it) or choose another with \(option)"
        : String(cString: strerror(errno))
      throw Options.Mistake(message: "cannot listen on \(self): \(reason)", status: 1)
    }
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    _ = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    return (descriptor, Endpoint(host: host, port: UInt16(bigEndian: address.sin_port)))
  }

  /// Connects to it.
  /// - Returns: the socket, or nil when nobody listens.
  func connected() -> Int32? {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    if withAddress({ connect(descriptor, $0, $1) }) == 0 { return descriptor }
    close(descriptor)
    return nil
  }

  private func withAddress(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    inet_pton(AF_INET, host, &address.sin_addr)
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
  }
}
