import GRPC
import Glibc
import HTTP2
import Logger
import Metrics
import SagaMessages
import StandardMessages
import Synchronization
internal import Values

/// A server's connection from its first byte to its end: it comes to rest whatever it is sent, writes whole frames, and
/// leaves nothing behind.
///
/// The connection is one end of a pair of sockets, and the server's loop takes its turns on this thread: the same input
/// always plays the same way.
enum HTTP2Target {
  private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
  /// Far above what any input of a few KiB needs.
  private static let mostTurns = 20_000

  static func run(_ input: [UInt8]) throws(FuzzFinding) {
    guard let first = input.first else { return }
    let bytes = preface + input.dropFirst()
    let server = idle.withLock { $0.popLast() } ?? makeServer()
    let client = try Client(of: server, pieces: first == 0 ? bytes.count : Int(first))
    defer { client.end() }
    try client.send(bytes)
    try client.leave()
    try checkFrames(client.received)
    let left = server.underWay
    try require(
      left == (0, 0, 0),
      "\(left.connections) connections, \(left.handlers) handlers and \(left.bytes) bytes outlive their peer")
    idle.withLock { $0.append(server) }
  }

  /// Servers whose last connection has kept its promises and left nothing behind. Making one, with its metrics, would
  /// take a third of an input's time.
  private static let idle = Mutex<[GRPCServer]>([])

  /// The server's bytes are whole frames, the first of them SETTINGS (RFC 9113 section 3.4), none longer than allowed.
  private static func checkFrames(_ bytes: [UInt8]) throws(FuzzFinding) {
    var place = 0
    while place < bytes.count {
      try require(place + 9 <= bytes.count, "a frame's header is cut short")
      let length = Int(bytes[place]) << 16 | Int(bytes[place + 1]) << 8 | Int(bytes[place + 2])
      if place == 0 { try require(bytes[3] == 4, "the first frame is not SETTINGS") }
      // The client of most inputs raises no limit; those that do may get more.
      try require(place + 9 + length <= bytes.count, "a frame of \(length) bytes is cut short")
      place += 9 + length
    }
  }

  /// The peer, and the server it talks to.
  private final class Client {
    private let server: GRPCServer
    private(set) var received: [UInt8] = []
    private var descriptor: Int32
    private let pieces: Int
    private var isOver = false

    init(of server: GRPCServer, pieces: Int) throws(FuzzFinding) {
      self.pieces = pieces
      self.server = server
      var ends: [Int32] = [-1, -1]
      let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
      guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { fatalError("no sockets left (errno \(errno))") }
      descriptor = ends[0]
      server.adoptCurrentThread()
      server.serve(ends[1])
      try settle()
    }

    func send(_ bytes: [UInt8]) throws(FuzzFinding) {
      var place = 0
      while place < bytes.count, !isOver {
        let end = min(bytes.count, place + pieces)
        let count = bytes[place..<end].withUnsafeBytes {
          Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        // The server may have closed its side, or stopped reading until more of its own is read.
        if count < 0, errno != EAGAIN { return }
        place += max(0, count)
        try settle()
      }
    }

    /// Goes away, and lets the server find out.
    func leave() throws(FuzzFinding) {
      shutdown(descriptor, Int32(SHUT_WR))
      try settle()
      end()
      try settle()
    }

    func end() {
      if descriptor >= 0 { close(descriptor) }
      descriptor = -1
    }

    /// Takes turns, reading what comes, until nothing moves any more.
    private func settle() throws(FuzzFinding) {
      var turns = 0
      while server.takeTurn() || read() {
        turns += 1
        try require(turns < HTTP2Target.mostTurns, "the server never comes to rest")
      }
    }

    private func read() -> Bool {
      guard descriptor >= 0, !isOver else { return false }
      return withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 1) { buffer in
        let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
        if count > 0 { received.append(contentsOf: buffer[..<count]) }
        if count == 0 { isOver = true }
        return count > 0
      }
    }
  }

  private static func makeServer() -> GRPCServer {
    var configuration = GRPCServerConfiguration(address: NetworkAddress(host: "127.0.0.1", port: 0), loops: 1)
    // Low, so that an input of a few KiB meets them.
    configuration.maxRequestSize = 512
    configuration.maxHeldRequestBytes = 1_024
    configuration.maxConcurrentCalls = 4
    configuration.http2.maxConcurrentStreams = 8
    configuration.maxUnreadBytes = 4_096
    configuration.maxHeldBytes = 6_144
    configuration.http2.resetBurst = 4
    configuration.http2.idleFrameBurst = 12
    configuration.http2.maxHeaderListSize = 1_024
    configuration.responseEncoding = .gzip
    configuration.minCompressedResponse = 64
    do throws(GRPCError) {
      return try GRPCServer(
        configuration: configuration, services: services, logger: Logger(label: "fuzz", level: .error) { _ in },
        metrics: MetricsRegistry())
    } catch {
      fatalError("\(error)")
    }
  }

  private static let services: [ServiceDefinition] = {
    let health = HealthService()
    health.set(status: .serving)
    do throws(GRPCError) {
      return [service, health.definition] + (try ReflectionService(describing: [health.definition]).definitions)
    } catch {
      fatalError("\(error)")
    }
  }()

  private typealias Update = PaymentsV1.UpdatePaymentStatusRequest
  private typealias Payment = PaymentsV1.Payment

  /// Every kind of method.
  private static let service = ServiceDefinition(
    "fuzz.Fuzz",
    [
      .unaryInline("/fuzz.Fuzz/Inline") { (request: Update, _) in payment(of: request) },
      .unary("/fuzz.Fuzz/Task") { (request: Update, context) in
        await Task.yield()
        context.setTrailers(["x-order": "\(request.orderID)"])
        return payment(of: request)
      },
      .serverStreaming("/fuzz.Fuzz/Count") { (request: Update, _, writer: ResponseWriter<Payment>) in
        for _ in 0..<request.orderID.magnitude % 64 { try await writer.write(payment(of: request)) }
      },
      .clientStreaming("/fuzz.Fuzz/Last") { (requests: RequestStream<Update>, _) in
        var last = Update()
        for try await request in requests { last = request }
        return payment(of: last)
      },
      .bidirectional("/fuzz.Fuzz/Chat") { (requests: RequestStream<Update>, _, writer: ResponseWriter<Payment>) in
        for try await request in requests { try await writer.write(payment(of: request)) }
      },
    ])

  private static func payment(of request: Update) -> Payment {
    Payment(orderID: request.orderID, status: request.status, reason: request.reason)
  }
}
