public import Protobuf

/// The same factories for protobuf messages, which bring their codec; inlinable, so that it is compiled for the
/// messages of each method.
extension MethodDefinition {
  /// One request, one response, asynchronously.
  @inlinable
  public static func unary<Request: ProtobufMessage, Response: ProtobufMessage>(
    _ path: String, _ handle: @escaping @Sendable (Request, ServerContext) async throws -> Response
  ) -> MethodDefinition {
    MethodDefinition(
      path: path, kind: .unary,
      handler: .task { bytes, context, call in
        Task.immediate(executorPreference: call.executor) {
          do {
            let response = try await handle(read(bytes), context)
            call.handlerReturned { response.append(to: &$0) }
          } catch {
            call.handlerThrew(error)
          }
        }
      })
  }

  /// One request, one response, at once on the loop.
  @inlinable
  public static func unaryInline<Request: ProtobufMessage, Response: ProtobufMessage>(
    _ path: String, _ handle: @escaping @Sendable (Request, ServerContext) throws -> Response
  ) -> MethodDefinition {
    MethodDefinition(
      path: path, kind: .unary,
      handler: .inline { bytes, context, answer in try handle(read(bytes), context).append(to: &answer) })
  }

  /// One request, many responses.
  public static func serverStreaming<Request: ProtobufMessage, Response: ProtobufMessage>(
    _ path: String,
    _ handle: @escaping @Sendable (Request, ServerContext, ResponseWriter<Response>) async throws -> Void
  ) -> MethodDefinition {
    serverStreaming(path, decode: decode(Request.self), encode: encode(Response.self), handle)
  }

  /// Many requests, one response.
  public static func clientStreaming<Request: ProtobufMessage, Response: ProtobufMessage>(
    _ path: String, _ handle: @escaping @Sendable (RequestStream<Request>, ServerContext) async throws -> Response
  ) -> MethodDefinition {
    clientStreaming(path, decode: decode(Request.self), encode: encode(Response.self), handle)
  }

  /// Many requests, many responses.
  public static func bidirectional<Request: ProtobufMessage, Response: ProtobufMessage>(
    _ path: String,
    _ handle:
      @escaping @Sendable (
        RequestStream<Request>, ServerContext, ResponseWriter<Response>
      ) async throws -> Void
  ) -> MethodDefinition {
    bidirectional(path, decode: decode(Request.self), encode: encode(Response.self), handle)
  }

  @inlinable
  static func read<Message: ProtobufMessage>(_ bytes: [UInt8]) throws -> Message {
    do { return try Message(serialized: bytes) } catch { throw GRPCStatus.unreadableRequest }
  }

  private static func decode<Message: ProtobufMessage>(
    _: Message.Type
  ) -> @Sendable ([UInt8]) throws -> Message {
    { bytes in try Message(serialized: bytes) }
  }

  private static func encode<Message: ProtobufMessage>(_: Message.Type) -> @Sendable (Message) -> [UInt8] {
    { message in message.serialized() }
  }
}

extension GRPCClient {
  /// One request, one response, as protobuf messages.
  /// - Throws: the status the call finished with; INTERNAL for an answer that cannot be read.
  public func unary<Request: ProtobufMessage, Reply: ProtobufMessage>(
    _ path: String, _ request: Request, returning: Reply.Type, timeout: Duration = .seconds(10),
    metadata: Metadata = [:]
  ) throws(GRPCStatus) -> Reply {
    let response = try unary(path, request.serialized(), timeout: timeout, metadata: metadata)
    do throws(ProtobufError) {
      return try Reply(serialized: response.message)
    } catch {
      throw GRPCStatus(.internal, "the response message cannot be parsed")
    }
  }
}
