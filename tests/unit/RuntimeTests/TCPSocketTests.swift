import Glibc
import Runtime
import Testing
import Values

@Suite struct TCPSocketTests {
  private func listen(_ text: String, isShared: Bool = false) throws -> (descriptor: Int32, port: UInt16) {
    try TCPSocket.listen(try #require(NetworkAddress(text)), backlog: 1, isShared: isShared)
  }

  @Test func `an empty host is every address of both families`() throws {
    let (descriptor, port) = try listen(":0")
    defer { close(descriptor) }
    for host in ["127.0.0.1", "::1"] {
      close(try TCPSocket.connect(NetworkAddress(host: host, port: port), timeout: .seconds(5)))
      let taken = #expect(throws: SocketError.self) {
        try TCPSocket.listen(NetworkAddress(host: host, port: port), backlog: 1)
      }
      #expect(taken?.isUnknownHost == false && taken?.reason == "Address already in use")
    }
  }

  @Test func `only sockets that are shared listen beside each other`() throws {
    let (first, port) = try listen("127.0.0.1:0", isShared: true)
    defer { close(first) }
    let (second, same) = try listen("127.0.0.1:\(port)", isShared: true)
    defer { close(second) }
    #expect(same == port)
    #expect(throws: SocketError.self) { try listen("127.0.0.1:\(port)") }
  }

  @Test func `a host without an address is told apart from a refusal`() throws {
    let unknown = #expect(throws: SocketError.self) { try listen("no-such-host.invalid:1") }
    #expect(unknown?.isUnknownHost == true)
    let (descriptor, port) = try listen("127.0.0.1:0")
    close(descriptor)
    let refused = #expect(throws: SocketError.self) {
      try TCPSocket.connect(NetworkAddress(host: "127.0.0.1", port: port), timeout: .seconds(5))
    }
    #expect(refused?.reason == "Connection refused")
  }
}
