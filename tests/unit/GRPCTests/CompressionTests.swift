import Gzip
import HTTP2
import Logger
import Metrics
import Testing
import Values

@testable import GRPC

/// Compression as it is on the wire: flags and header fields.
struct CompressionTests {
  private static let bytes: @Sendable ([UInt8]) -> [UInt8] = { $0 }

  private static let methods: [MethodDefinition] = [
    .unaryInline("/zip.Zip/Echo", decode: bytes, encode: bytes) { request, _ in request },
    .unary("/zip.Zip/EchoZipped", decode: bytes, encode: bytes) { request, context in
      context.setResponseEncoding(.gzip)
      return request
    },
    .unaryInline("/zip.Zip/EchoPlain", decode: bytes, encode: bytes) { request, context in
      context.setResponseEncoding(.identity)
      return request
    },
    .unaryInline("/zip.Zip/Encoding", decode: bytes, encode: bytes) { _, context in
      Array("\(context.requestEncoding)".utf8)
    },
    .bidirectional("/zip.Zip/Chat", decode: bytes, encode: bytes) {
      (requests: RequestStream<[UInt8]>, context, writer: ResponseWriter<[UInt8]>) in
      context.setResponseEncoding(.gzip)
      for try await request in requests {
        try await writer.write(request, mayCompress: context.requestEncoding == .gzip)
      }
    },
  ]

  private func withServer<Result>(
    _ change: (inout GRPCServerConfiguration) -> Void = { _ in }, _ body: (UInt16) throws -> Result
  ) throws -> Result {
    var configuration = GRPCServerConfiguration(address: NetworkAddress(host: "127.0.0.1", port: 0), loops: 1)
    change(&configuration)
    let server = try GRPCServer(
      configuration: configuration, services: [ServiceDefinition("zip.Zip", Self.methods)],
      logger: Logger(label: "test", level: .error) { _ in }, metrics: MetricsRegistry())
    try server.start()
    defer { server.stop(until: .now() + .seconds(5)) }
    return try body(server.boundPort)
  }

  private static let zeros = [UInt8](repeating: 0, count: 5_000)
  private static let zipped = (try? GzipCodec().compress(zeros)).flatMap(\.self) ?? []
  private static let accepting: KeyValuePairs = ["grpc-accept-encoding": "identity, deflate, gzip"]
  private static let sending: KeyValuePairs = ["grpc-encoding": "gzip"]

  @Test(arguments: ["Echo", "EchoZipped", "Chat"])
  func aCompressedRequestIsExpanded(method: String) throws {
    try withServer { (port) throws in
      let answer = try RawCaller.call(port: port, "/zip.Zip/\(method)", [(1, Self.zipped)], Self.sending)
      #expect(answer.status == "0")
      // The caller did not say that it takes gzip.
      #expect(answer.headers?.first("grpc-encoding") == nil)
      #expect(answer.messages == [.init(isCompressed: false, bytes: Self.zeros)])
    }
  }

  @Test func aHandlerSeesHowItsRequestCame() throws {
    try withServer { (port) throws in
      for (flag, message, seen) in [(1, Self.zipped, "gzip"), (0, Self.zeros, "identity")] as [(UInt8, [UInt8], String)]
      {
        let answer = try RawCaller.call(port: port, "/zip.Zip/Encoding", [(flag, message)], Self.sending)
        #expect(answer.messages.first?.bytes == Array(seen.utf8))
      }
    }
  }

  @Test func aHandlerChoosesForEachResponse() throws {
    try withServer { (port) throws in
      let messages: [(flag: UInt8, bytes: [UInt8])] = [(1, Self.zipped), (0, Self.zeros), (1, Self.zipped), (0, [7])]
      let answer = try RawCaller.call(
        port: port, "/zip.Zip/Chat", messages,
        ["grpc-encoding": "gzip", "grpc-accept-encoding": "gzip"])
      #expect(answer.headers?.first("grpc-encoding") == "gzip")
      #expect(answer.messages.map(\.isCompressed) == [true, false, true, false])
      let plain = try answer.messages.map { message in
        message.isCompressed ? try GzipCodec().decompress(message.bytes, limit: 10_000) : message.bytes
      }
      #expect(plain == [Self.zeros, Self.zeros, Self.zeros, [7]])
      #expect(answer.status == "0")
    }
  }

  @Test func theConfigurationChoosesWhereTheHandlerDoesNot() throws {
    try withServer { configuration in
      configuration.responseEncoding = .gzip
      configuration.minCompressedResponse = 5_000
    } _: { (port) throws in
      for (method, size, isCompressed) in [
        ("Echo", 5_000, true), ("Echo", 4_999, false), ("EchoPlain", 5_000, false), ("EchoZipped", 100, true),
      ] {
        let request = [UInt8](repeating: 1, count: size)
        let answer = try RawCaller.call(port: port, "/zip.Zip/\(method)", [(0, request)], Self.accepting)
        #expect(answer.messages.map(\.isCompressed) == [isCompressed], "\(method) \(size)")
        #expect(answer.status == "0")
        let refusing = try RawCaller.call(
          port: port, "/zip.Zip/\(method)", [(0, request)], ["grpc-accept-encoding": "identity, deflate"])
        #expect(refusing.messages == [.init(isCompressed: false, bytes: request)])
        #expect(refusing.headers?.first("grpc-encoding") == nil)
      }
    }
  }

  @Test func aFlagWithoutAnEncodingIsInternal() throws {
    try withServer { (port) throws in
      for extra in [[:], ["grpc-encoding": "identity"]] as [KeyValuePairs<String, String>] {
        #expect(try RawCaller.call(port: port, "/zip.Zip/Echo", [(1, Self.zipped)], extra).status == "13")
      }
    }
  }

  @Test func anUnknownEncodingIsUnimplementedAndToldWhatIsServed() throws {
    try withServer { (port) throws in
      let answer = try RawCaller.call(port: port, "/zip.Zip/Echo", [(1, [1])], ["grpc-encoding": "snappy"])
      #expect(answer.status == "12")
      #expect(answer.headers?.first("grpc-accept-encoding") == "identity,gzip")
    }
  }

  @Test func whatIsCorruptIsInternalWhereverItIsCut() throws {
    try withServer { (port) throws in
      for count in 0..<Self.zipped.count {
        for method in ["Echo", "Chat"] {
          let cut = Array(Self.zipped[..<count])
          let answer = try RawCaller.call(port: port, "/zip.Zip/\(method)", [(1, cut)], Self.sending)
          #expect(answer.status == "13", "\(method) cut to \(count)")
        }
      }
    }
  }

  @Test func theLimitHoldsForWhatAMessageExpandsTo() throws {
    try withServer { configuration in
      configuration.maxRequestSize = 5_000
    } _: { (port) throws in
      let tooMany = try #require(try GzipCodec().compress([UInt8](repeating: 0, count: 5_001)))
      for method in ["Echo", "Chat"] {
        let path = "/zip.Zip/\(method)"
        #expect(try RawCaller.call(port: port, path, [(1, tooMany)], Self.sending).status == "8")
        #expect(try RawCaller.call(port: port, path, [(1, Self.zipped)], Self.sending).status == "0")
      }
    }
  }

  /// Small on the wire, so that neither flow control nor the limit of a message holds them back.
  @Test func whatACallsMessagesExpandToIsHeldAgainstItsConnection() throws {
    try withServer { configuration in
      configuration.maxHeldRequestBytes = 4_000
    } _: { (port) throws in
      #expect(try RawCaller.call(port: port, "/zip.Zip/Echo", [(1, Self.zipped)], Self.sending).status == "8")
    }
  }
}
