import Bank
import Cards
import Glibc
import Logger
import Metrics
import Money
import ProcessingDomain
import RawHTTP
import Runtime
import Testing
import Values

/// Looks for a card number in all memory of this process, in the way of whoever reads a dump of it.
@Suite struct CardMemoryTests {
  private static let keys = try! CardFingerprintKeys("a:\(String(repeating: "0b0c", count: 16))")

  @Test func `after a charge no memory holds the card's number`() async throws {
    let number = randomNumber()
    let needle = SecretBytes(copying: number.span.bytes)
    number.zeroInPlace()
    let server = ForgetfulBank()
    defer { server.stop() }
    let bank = BankClient(
      BankConfiguration(url: "http://127.0.0.1:\(server.port)"), logger: Logger(label: "bank", level: .error),
      metrics: MetricsRegistry())
    bank.start()
    #expect(findings(of: needle) == 0)
    for escaped in [false, true] {
      var card: PaymentCard? = try card(of: needle, escaped: escaped)
      #expect(card?.fingerprint(Self.keys).count == 32)
      // Here it is, and only here: the search finds what there is.
      #expect(settledFindings(of: needle, at: 1) == 1)
      #expect(bank.reserve(1) == 1)
      let charge = BankCharge(operationID: operation, userID: user, amount: price, source: .card(try #require(card)))
      #expect(await bank.charge(charge, sendBy: .now() + .seconds(20)).answer == .approved)
      card = nil
      _ = card
    }
    bank.stop(until: .now() + .seconds(20))
    #expect(settledFindings(of: needle, at: 0) == 0)
  }

  /// 16 digits of Visa that no other test has.
  private func randomNumber() -> [UInt8] {
    var digits: [UInt8] = [4] + (0..<14).map { _ in UInt8.random(in: 0...9) }
    let sum = digits.reversed().enumerated().reduce(0) { sum, item in
      let weighed = item.offset % 2 == 0 ? Int(item.element) * 2 : Int(item.element)
      return sum + (weighed > 9 ? weighed - 9 : weighed)
    }
    digits.reserveCapacity(16)
    digits.append(UInt8((10 - sum % 10) % 10))
    defer { digits.zeroInPlace() }
    return digits.map { $0 + 0x30 }
  }

  /// Reads a card from a body as a request has it, and zeroes that.
  private func card(of number: borrowing SecretBytes, escaped: Bool) throws -> PaymentCard {
    var body: [UInt8] = []
    body.reserveCapacity(256)
    body += #"{"exp_month":12,"exp_year":2030,"cvv":"987","number":""#.utf8
    number.withBytes { number in
      for index in 0..<number.byteCount {
        let digit = number.unsafeLoad(fromByteOffset: index, as: UInt8.self)
        if escaped, index == 3 { body += #"\u003"#.utf8 }
        body.append(digit)
      }
    }
    body += #""}"#.utf8
    defer { body.zeroInPlace() }
    var scanner = try JSONScanner(body, maximumBytes: 4_096)
    return try PaymentCard(CardDetails(reading: &scanner), at: #require(Timestamp("2026-11-26T12:00:00.000000Z")))
  }

  /// An earlier call may still be cleaning up behind itself.
  private func settledFindings(of needle: borrowing SecretBytes, at expected: Int) -> Int {
    let deadline = Instant.now() + .seconds(30)
    var searches = 0
    while true {
      let count = findings(of: needle)
      searches += 1
      // One search takes many seconds where tests beside this one have filled the memory.
      if count == expected || searches >= 8 && Instant.now() > deadline { return count }
    }
  }

  /// How often the bytes are in memory, besides where `needle` itself keeps them.
  private func findings(of needle: borrowing SecretBytes) -> Int {
    let chunk = 1 << 20
    let window = mmap(nil, chunk, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
    defer { munmap(window, chunk) }
    let file = open("/proc/self/mem", O_RDONLY)
    defer { close(file) }
    return needle.withBytes { bytes in
      bytes.withUnsafeBytes { bytes in
        let own = UInt(bitPattern: bytes.baseAddress)
        var count = 0
        for range in regions() where !range.contains(UInt(bitPattern: window)) {
          var start = range.lowerBound
          while start < range.upperBound {
            let read = pread(file, window, min(chunk, Int(range.upperBound - start)), Int(bitPattern: start))
            guard read > 0 else { break }
            var place = 0
            while let hit = Self.find(bytes, in: window + place, read - place) {
              place = hit - window + 1
              if start + UInt(place) - 1 != own { count += 1 }
            }
            // What lies across two chunks is seen in the second.
            start += read == chunk ? UInt(chunk - bytes.count + 1) : UInt(read)
          }
        }
        return count
      }
    }
  }

  private static func find(
    _ bytes: UnsafeRawBufferPointer, in memory: UnsafeMutableRawPointer, _ count: Int
  ) -> UnsafeMutableRawPointer? {
    var start = memory
    let end = memory + count - bytes.count
    while start <= end, let first = memchr(start, Int32(bytes[0]), end - start + 1) {
      if memcmp(first, bytes.baseAddress!, bytes.count) == 0 { return first }
      start = first + 1
    }
    return nil
  }

  /// The memory that can be read and belongs to no file that is only read.
  private func regions() -> [Range<UInt>] {
    guard let maps = fopen("/proc/self/maps", "r") else { return [] }
    defer { fclose(maps) }
    var regions: [Range<UInt>] = []
    var line = [CChar](repeating: 0, count: 1_024)
    while fgets(&line, 1_024, maps) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      let fields = text.split(separator: " ")
      guard fields[1].hasPrefix("rw"), !text.contains("[v") else { continue }
      let ends = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
      // Larger are only the shadows of sanitizers.
      if ends.count == 2, ends[1] - ends[0] < 1 << 30 { regions.append(ends[0]..<ends[1]) }
    }
    return regions
  }
}

/// A bank that approves, and forgets each request at once.
private final class ForgetfulBank: Sendable {
  let port: UInt16
  private let listener: Int32
  private let thread: WorkerThread

  init() {
    let (listener, port) = listenOnLoopback()
    (self.listener, self.port) = (listener, port)
    thread = WorkerThread(name: "forgetful-bank") { Self.serve(listener) }
  }

  func stop() {
    shutdown(listener, Int32(SHUT_RDWR))
    thread.join()
    close(listener)
  }

  private static func serve(_ listener: Int32) {
    let buffer = UnsafeMutableRawPointer.allocate(byteCount: 4_096, alignment: 16)
    defer { buffer.deallocate() }
    while true {
      let connection = accept(listener, nil, nil)
      guard connection >= 0 else { return }
      while answer(connection, buffer) {}
      close(connection)
    }
  }

  /// A request ends with the bracket of its body.
  private static func answer(_ connection: Int32, _ buffer: UnsafeMutableRawPointer) -> Bool {
    var count = 0
    while count == 0 || buffer.load(fromByteOffset: count - 1, as: UInt8.self) != UInt8(ascii: "}") {
      let more = recv(connection, buffer + count, 4_096 - count, 0)
      guard more > 0 else { return false }
      count += more
    }
    explicit_bzero(buffer, 4_096)
    let body = BankAnswerReaderTests.answer()
    let text = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    return send(connection, text, text.utf8.count, Int32(MSG_NOSIGNAL)) > 0
  }
}
