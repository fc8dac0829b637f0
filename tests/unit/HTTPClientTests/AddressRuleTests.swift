import HTTPClient
import Testing

@Suite struct AddressRuleTests {
  /// The first and last address of each special-purpose range (IANA's registries), and other ways of writing such.
  @Test(arguments: [
    "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.1",
    "127.255.255.255", "169.254.0.0", "169.254.169.254", "172.16.0.0", "172.31.255.255", "192.0.0.0", "192.0.0.255",
    "192.0.2.1", "192.88.99.1", "192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.7",
    "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1",
    "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1",
    "2001:1ff:ffff::1", "2001:db8::1", "2002:7f00:1::1", "2620:4f:8000::1", "3fff:fff::1", "5f00::1", "fc00::1",
    "fdff::1", "fe80::1", "fec0::1", "ff02::1",
  ])
  func `an address of a special range is not public`(text: String) throws {
    #expect(try !#require(IPAddress(text)).isPublic)
  }

  @Test(arguments: [
    "1.0.0.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
    "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0", "192.167.255.255",
    "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2001:200::1", "2001:4860:4860::8888",
    "2003::1", "2a00:1450:4001:81b::200e", "3ffe::1",
  ])
  func `its neighbours are`(text: String) throws {
    #expect(try #require(IPAddress(text)).isPublic)
  }

  @Test(arguments: [
    "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0/8", "fd00::/129", "x", "",
  ])
  func `what is no network is refused`(text: String) {
    #expect(IPNetwork(text) == nil)
  }

  @Test func `a network holds its addresses and no others`() throws {
    let network = try #require(IPNetwork("10.1.128.0/17"))
    for (text, isInside) in [
      ("10.1.128.0", true), ("10.1.255.255", true), ("10.1.127.255", false), ("10.2.0.0", false), ("::", false),
    ] {
      #expect(network.contains(try #require(IPAddress(text))) == isInside, "\(text)")
    }
    #expect(try #require(IPNetwork("0.0.0.0/0")).contains(#require(IPAddress("8.8.8.8"))))
    #expect(try #require(IPNetwork("10.0.0.1")).contains(#require(IPAddress("10.0.0.1"))))
  }
}
