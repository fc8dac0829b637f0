import Admin
import Glibc
import Logger
import Metrics
import Values

/// What anybody may send to the admin endpoint: it is answered or refused by HTTP and the connection ends, the pages
/// are given to GET and HEAD only, and the next probe gets its answer.
///
/// The endpoint listens on loopback, with the thread of its HTTP library: the same input may be cut otherwise.
enum AdminTarget {
  private static let patience = timeval(tv_sec: 5, tv_usec: 0)
  private static let mostBytes = 1 << 20
  private static let pages = ["{\"status\":", "# HELP"]

  static func run(_ input: [UInt8]) throws(FuzzFinding) {
    let answers = try exchange(input)
    try require(answers.isEmpty || answers.starts(with: "HTTP/1.".utf8), "this is no HTTP: \(text(answers))")
    if !["GET", "HEAD"].contains(where: { input.contains($0.utf8) }) {
      try require(!pages.contains { answers.contains($0.utf8) }, "a page without GET: \(text(answers))")
    }
    let probe = try exchange(Array("GET /readyz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".utf8))
    try require(
      probe.starts(with: "HTTP/1.1 503 ".utf8) && probe.contains("\"detail\":\"fuzz\"".utf8),
      "the next probe is answered \(text(probe))")
  }

  /// Sends all and no more, and takes what comes until the connection ends.
  private static func exchange(_ bytes: [UInt8]) throws(FuzzFinding) -> [UInt8] {
    let descriptor = connect()
    defer { close(descriptor) }
    // It may have ended the connection before it has everything.
    _ = uninterrupted { send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }
    shutdown(descriptor, Int32(SHUT_WR))
    var received: [UInt8] = []
    var isOver = false
    while !isOver {
      isOver = try withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 1) { buffer throws(FuzzFinding) in
        let count = uninterrupted { recv(descriptor, buffer.baseAddress, buffer.count, 0) }
        // Reset, when it has left bytes of ours unread.
        if count < 0, errno == EAGAIN { throw FuzzFinding("the connection does not end") }
        if count > 0 { received.append(contentsOf: buffer[..<count]) }
        return count <= 0
      }
      try require(received.count < mostBytes, "it never stops to answer")
    }
    return received
  }

  private static func connect() -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { fatalError("no sockets left (errno \(errno))") }
    var time = patience
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    // The port is free again at once; thousands of connections a second would use them up.
    var atOnce = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &atOnce, socklen_t(MemoryLayout<linger>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        uninterrupted { Int(Glibc.connect(descriptor, address, socklen_t(MemoryLayout<sockaddr_in>.size))) }
      }
    }
    guard status == 0 else { fatalError("the endpoint takes no connection (errno \(errno))") }
    return descriptor
  }

  /// The fuzzer looks at its clock by a signal.
  private static func uninterrupted(_ call: () -> Int) -> Int {
    while true {
      let result = call()
      if result >= 0 || errno != EINTR { return result }
    }
  }

  /// The one endpoint of all inputs.
  private static let server = AdminServer(
    address: NetworkAddress(host: "127.0.0.1", port: 0), registry: MetricsRegistry(),
    readiness: { ReadinessReport([.init("all", isReady: false, detail: "fuzz")]) },
    logger: Logger(label: "fuzz", level: .error) { _ in })

  private static let port: UInt16 = {
    do throws(AdminError) { try server.start() } catch { fatalError("\(error)") }
    guard let port = server.boundPort else { fatalError("the endpoint does not listen") }
    return port
  }()

  private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes.prefix(300), as: UTF8.self) }
}
