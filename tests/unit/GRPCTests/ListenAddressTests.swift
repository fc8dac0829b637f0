import HTTP2
import Testing
import Values

@Suite struct ListenAddressTests {
  /// A second socket that is not shared would be refused where one listens.
  @Test func anEmptyHostIsEveryAddressOfBothFamilies() throws {
    let (descriptor, port) = try HTTP2Listener.open(try #require(NetworkAddress(":0")))
    defer { closeDescriptor(descriptor) }
    for host in ["127.0.0.1", "::1"] {
      #expect(throws: HTTP2Error.self) { try HTTP2Listener.requireFree(NetworkAddress(host: host, port: port)) }
    }
  }
}
