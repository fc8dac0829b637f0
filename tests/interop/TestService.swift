import GRPC
import Logger
import Protobuf

/// `grpc.testing.TestService`. It bounds nothing but single payloads: it is for tests on one machine.
final class TestService: Sendable {
  private typealias Output = Interop.StreamingOutputCallRequest
  private typealias Writer = ResponseWriter<Interop.StreamingOutputCallResponse>
  private static let name = "grpc.testing.TestService"
  private static let largestPayload: Int32 = 16 << 20

  private let logger: Logger

  init(_ logger: Logger) { self.logger = logger }

  var definition: ServiceDefinition { ServiceDefinition(Self.name, [emptyCall, unaryCall] + streamingCalls) }

  private var emptyCall: MethodDefinition {
    .unaryInline("/\(Self.name)/EmptyCall") { (request: Interop.Empty, context) in
      Self.echoMetadata(context)
      return request
    }
  }

  private var unaryCall: MethodDefinition {
    .unary("/\(Self.name)/UnaryCall") { (request: Interop.SimpleRequest, context) in
      Self.echoMetadata(context)
      try Self.check(request.expectCompressed, context)
      try Self.echo(request.responseStatus)
      if let isWanted = request.responseCompressed?.value { context.setResponseEncoding(isWanted ? .gzip : .identity) }
      return Interop.SimpleResponse(payload: try Self.payload(request.responseSize))
    }
  }

  private var streamingCalls: [MethodDefinition] {
    [
      .serverStreaming("/\(Self.name)/StreamingOutputCall") { (request: Output, context, writer: Writer) in
        try await self.logged(context) { try await Self.answer(request, context, writer) }
      },
      .clientStreaming("/\(Self.name)/StreamingInputCall") {
        (requests: RequestStream<Interop.StreamingInputCallRequest>, context) in
        var sum: Int32 = 0
        try await self.logged(context) {
          for try await request in requests {
            try Self.check(request.expectCompressed, context)
            sum += Int32(request.payload?.body.count ?? 0)
          }
        }
        return Interop.StreamingInputCallResponse(aggregatedPayloadSize: sum)
      },
      .bidirectional("/\(Self.name)/FullDuplexCall") { (requests: RequestStream<Output>, context, writer: Writer) in
        try await self.logged(context) {
          for try await request in requests { try await Self.answer(request, context, writer) }
        }
      },
      .bidirectional("/\(Self.name)/HalfDuplexCall") { (requests: RequestStream<Output>, context, writer: Writer) in
        try await self.logged(context) {
          var kept: [Output] = []
          for try await request in requests { kept.append(request) }
          for request in kept { try await Self.answer(request, context, writer) }
        }
      },
    ]
  }

  /// Writes when the handler begins and leaves, however it does: tests see that a cancelled one does leave.
  private func logged(_ context: ServerContext, _ body: () async throws -> Void) async throws {
    Self.echoMetadata(context)
    logger.info("handler began", ["path": .string(context.path)])
    context.onCancel { [logger] in logger.info("handler cancelled", ["path": .string(context.path)]) }
    defer { logger.info("handler left", ["path": .string(context.path)]) }
    try await body()
  }

  private static func answer(_ request: Output, _ context: ServerContext, _ writer: Writer) async throws {
    try echo(request.responseStatus)
    if request.responseParameters.contains(where: { $0.compressed?.value == true }) {
      context.setResponseEncoding(.gzip)
    }
    for parameters in request.responseParameters {
      if parameters.intervalMicroseconds > 0 {
        try await Task.sleep(for: .microseconds(parameters.intervalMicroseconds))
      }
      let response = Interop.StreamingOutputCallResponse(payload: try payload(parameters.size))
      try await writer.write(response, mayCompress: parameters.compressed?.value == true)
    }
  }

  /// Refuses a request that did not come as its caller says it was sent.
  private static func check(_ isExpected: Interop.BoolValue?, _ context: ServerContext) throws(GRPCStatus) {
    guard let isExpected, isExpected.value != (context.requestEncoding == .gzip) else { return }
    throw GRPCStatus(.invalidArgument, "the request came \(isExpected.value ? "plain" : "compressed")")
  }

  private static func payload(_ size: Int32) throws(GRPCStatus) -> Interop.Payload {
    guard (0...largestPayload).contains(size) else {
      throw GRPCStatus(.invalidArgument, "a payload has from 0 to \(largestPayload) bytes")
    }
    return Interop.Payload(body: [UInt8](repeating: 0, count: Int(size)))
  }

  private static func echo(_ status: Interop.EchoStatus?) throws(GRPCStatus) {
    guard let status, status.code != 0 else { return }
    throw GRPCStatus(GRPCCode(rawValue: Int(status.code)) ?? .unknown, status.message)
  }

  /// What a caller sends under the two names of the description comes back with the headers and with the status.
  private static func echoMetadata(_ context: ServerContext) {
    if let initial = context.metadata["x-grpc-test-echo-initial"] {
      context.setInitialMetadata(["x-grpc-test-echo-initial": initial])
    }
    var trailers = Metadata()
    for value in context.metadata.all("x-grpc-test-echo-trailing-bin") {
      trailers.add("x-grpc-test-echo-trailing-bin", bytes: value)
    }
    context.setTrailers(trailers)
  }
}
