import Testing

@testable import GRPC

struct RequestHeadersTests {
  private func read(_ more: KeyValuePairs<String, String>) -> (headers: RequestHeaders, metadata: Metadata) {
    let common: KeyValuePairs<String, String> = [
      ":method": "POST", ":scheme": "http", ":path": "/a.B/C", ":authority": "localhost", "te": "trailers",
      "content-type": "application/grpc",
    ]
    var request = RequestHeaders()
    var metadata = MetadataBuffer()
    for (name, value) in Array(common) + Array(more) {
      Array(name.utf8).withUnsafeBytes { name in
        Array(value.utf8).withUnsafeBytes { value in
          #expect(request.read(name, value, &metadata) == name.elementsEqual(":path".utf8))
        }
      }
    }
    request.end()
    return (request, metadata.metadata)
  }

  @Test func valuesAreFoundByNameWithoutMakingTheRest() {
    var metadata = MetadataBuffer()
    #expect(metadata.values(of: "traceparent").isEmpty)
    let fields = [
      ("user-agent", "tests"), ("traceparent", "1"), ("traceparents", "2"), ("tracepArent", ""), ("traceparent", ""),
    ]
    for (name, value) in fields {
      Array(name.utf8).withUnsafeBytes { name in
        Array(value.utf8).withUnsafeBytes { value in metadata.append(name, value) }
      }
    }
    #expect(metadata.values(of: "traceparent") == [Array("1".utf8), []])
    #expect(metadata.values(of: "user-agent") == [Array("tests".utf8)] && metadata.values(of: "te").isEmpty)
  }

  @Test func theProtocolsOwnFieldsAreNoMetadata() {
    let request = read([
      "host": "another", "grpc-nobody-knows": "x", "grpc-data-bin": "####", "grpc-timeout": "1S",
      "grpc-accept-encoding": "gzip", "user-agent": "test", "x-mine": "1",
    ])
    #expect(request.headers.refusal == nil)
    #expect(request.metadata.map(\.name) == ["user-agent", "x-mine"])
  }

  @Test func aTimeoutIsReadOrAbsent() {
    #expect(read([:]).headers.timeout == nil)
    #expect(read(["grpc-timeout": "20m"]).headers.timeout == .milliseconds(20))
    #expect(read(["grpc-timeout": "99999999H"]).headers.timeout == .seconds(99_999_999 * 3_600))
  }

  @Test func binaryMetadataIsSplitAndDecoded() {
    let request = read(["x-bin": "Zg==,Zm8, Zm9v,", "x-bin": "AAEC"])
    #expect(request.headers.refusal == nil)
    #expect(request.metadata.all("x-bin") == [Array("f".utf8), Array("fo".utf8), Array("foo".utf8), [], [0, 1, 2]])
  }
}
