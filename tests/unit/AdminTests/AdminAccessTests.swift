import HTTPServer
import Testing
import Values

@testable import Admin

@Suite struct AdminAccessTests {
  private static let token = "0123456789abcdef"

  private func access(_ host: String, _ token: String? = nil) -> AdminAccess {
    AdminAccess(NetworkAddress(host: host, port: 9_101), token: token.map { Array($0.utf8) })
  }

  private func refusal(_ access: AdminAccess, _ headers: KeyValuePairs<String, String>) -> HTTPResponse? {
    access.refusal(
      of: HTTPRequest(
        method: "GET", path: "/config", headers: HTTPHeaders(headers),
        peer: NetworkAddress(host: "127.0.0.1", port: 1)))
  }

  @Test func withoutATokenThisMachineAloneSeesData() {
    for host in ["127.0.0.1:9101", "localhost", "[::1]:9101"] {
      #expect(refusal(access("127.0.0.1"), ["Host": host]) == nil)
    }
    for host in ["0.0.0.0", "::", "10.0.0.1"] {
      #expect(refusal(access(host), ["Host": "127.0.0.1"])?.status == 403)
      #expect(refusal(access(host), ["Host": "10.0.0.1", "Authorization": "Bearer "])?.status == 403)
    }
  }

  /// A site whose name leads to 127.0.0.1 has the browser ask under that name.
  @Test func anotherSitesNameIsRefused() {
    #expect(refusal(access("127.0.0.1"), ["Host": "evil.example:9101"])?.status == 403)
    #expect(refusal(access("127.0.0.1"), [:])?.status == 403)
  }

  @Test(arguments: ["127.0.0.1", "0.0.0.0"]) func aTokenIsAskedForWhereThereIsOne(_ host: String) {
    let access = access(host, Self.token)
    #expect(refusal(access, ["Authorization": "Bearer \(Self.token)"]) == nil)
    #expect(refusal(access, ["Authorization": "bearer   \(Self.token)", "Host": "evil.example"]) == nil)
    let refused: [KeyValuePairs<String, String>] = [
      ["Host": "127.0.0.1"], ["Authorization": "Bearer"], ["Authorization": "Bearer "],
      ["Authorization": "Bearer \(Self.token)0"], ["Authorization": "Bearer \(Self.token.dropLast())"],
      ["Authorization": "Basic \(Self.token)"], ["Authorization": Self.token],
      ["Authorization": "Bearer \(Self.token)", "authorization": "Bearer \(Self.token)"],
    ]
    for headers in refused {
      let answer = refusal(access, headers)
      #expect(answer?.status == 401)
      #expect(answer?.fields.contains { $0.name == "WWW-Authenticate" && $0.value == "Bearer" } == true)
    }
  }

  @Test func theTokenCanBeChanged() {
    let access = access("0.0.0.0", Self.token)
    access.change(token: Array("another-secret-word".utf8))
    #expect(refusal(access, ["Authorization": "Bearer \(Self.token)"])?.status == 401)
    #expect(refusal(access, ["Authorization": "Bearer another-secret-word"]) == nil)
    access.change(token: nil)
    #expect(refusal(access, ["Authorization": "Bearer another-secret-word"])?.status == 403)
  }
}
