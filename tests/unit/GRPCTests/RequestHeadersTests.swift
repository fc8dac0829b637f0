import Testing

@testable import GRPC
@testable import HTTP2

struct RequestHeadersTests {
  private func read(_ more: KeyValuePairs<String, String>) -> RequestHeaders {
    var headers = HTTP2Headers([
      ":method": "POST", ":scheme": "http", ":path": "/a.B/C", ":authority": "localhost", "te": "trailers",
      "content-type": "application/grpc",
    ])
    for (name, value) in more { headers.append(name, value) }
    return RequestHeaders(headers)
  }

  @Test func theProtocolsOwnFieldsAreNoMetadata() {
    let request = read([
      "host": "another", "grpc-nobody-knows": "x", "grpc-data-bin": "####", "grpc-timeout": "1S",
      "grpc-accept-encoding": "gzip", "user-agent": "test", "x-mine": "1",
    ])
    #expect(request.refusal == nil)
    #expect(request.metadata.map(\.name) == ["user-agent", "x-mine"])
  }

  @Test func aTimeoutIsReadOrAbsent() {
    #expect(read([:]).timeout == nil)
    #expect(read(["grpc-timeout": "20m"]).timeout == .milliseconds(20))
    #expect(read(["grpc-timeout": "99999999H"]).timeout == .seconds(99_999_999 * 3_600))
  }

  @Test func binaryMetadataIsSplitAndDecoded() {
    let request = read(["x-bin": "Zg==,Zm8, Zm9v,", "x-bin": "AAEC"])
    #expect(request.refusal == nil)
    #expect(request.metadata.all("x-bin") == [Array("f".utf8), Array("fo".utf8), Array("foo".utf8), [], [0, 1, 2]])
  }
}
