internal import StandardMessages

/// Server reflection (server-reflection.md), `grpc.reflection.v1` and `v1alpha`: callers learn from the server itself
/// what it serves, with no `.proto` file at hand.
///
///     let services = [echo, health.definition]
///     let reflection = try ReflectionService(describing: services, with: [DescriptorSet(serialized: bytes)])
///     let server = try GRPCServer(configuration: …, services: services + reflection.definitions, …)
public struct ReflectionService: Sendable {
  private typealias Request = GRPCReflectionV1.ServerReflectionRequest
  private typealias Response = GRPCReflectionV1.ServerReflectionResponse

  private static let names = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]

  private let index: DescriptorIndex
  private let services: GRPCReflectionV1.ListServiceResponse

  /// - Parameters:
  ///   - services: everything else the server serves.
  ///   - descriptors: what declares them; health, reflection and `google.rpc` need none.
  /// - Throws: `GRPCError` (`invalidDescriptors`) when a service is declared nowhere, or an import is missing.
  public init(
    describing services: [ServiceDefinition], with descriptors: [DescriptorSet] = []
  ) throws(GRPCError) {
    index = try DescriptorIndex(descriptors + [DescriptorSet(base64: StandardDescriptors.base64)])
    let names = services.map(\.name) + Self.names
    for name in names where !index.declares(name) {
      throw GRPCError(.invalidDescriptors, "no descriptor set declares the service \(name)")
    }
    self.services = GRPCReflectionV1.ListServiceResponse(
      service: names.sorted().map { GRPCReflectionV1.ServiceResponse(name: $0) })
  }

  /// The services to register beside those that are described: both versions, which differ in name only.
  public var definitions: [ServiceDefinition] {
    Self.names.map { name in
      ServiceDefinition(
        name,
        [
          .bidirectional("/\(name)/ServerReflectionInfo") {
            (requests: RequestStream<Request>, _, writer: ResponseWriter<Response>) in
            for try await request in requests {
              let answer = Response(validHost: request.host, originalRequest: request, answer: answer(request.question))
              try await writer.write(answer)
            }
          }
        ])
    }
  }

  private func answer(_ question: Request.Question?) -> Response.Answer {
    switch question {
    case .fileByFilename(let name):
      files(index.file(named: name), "file \(name)")
    case .fileContainingSymbol(let symbol):
      files(index.file(declaring: symbol), "symbol \(symbol)")
    case .fileContainingExtension(let wanted):
      files(
        index.file(extending: wanted.containingType, number: wanted.extensionNumber),
        "extension \(wanted.extensionNumber) of \(wanted.containingType)")
    case .allExtensionNumbersOfType(let name):
      if let numbers = index.extensionNumbers(of: name) {
        .allExtensionNumbers(
          GRPCReflectionV1.ExtensionNumberResponse(baseTypeName: name, extensionNumber: numbers))
      } else {
        failure(.notFound, "there is no message \(name)")
      }
    case .listServices: .listServices(services)
    case nil: failure(.invalidArgument, "expected one of the questions of message_request, found none")
    }
  }

  private func files(_ found: [[UInt8]]?, _ wanted: @autoclosure () -> String) -> Response.Answer {
    guard let found else { return failure(.notFound, "there is no \(wanted())") }
    return .fileDescriptors(GRPCReflectionV1.FileDescriptorResponse(fileDescriptorProto: found))
  }

  private func failure(_ code: GRPCCode, _ message: String) -> Response.Answer {
    // The name comes from a stranger and is in `originalRequest` as well: a part of it is enough here.
    .error(GRPCReflectionV1.ErrorResponse(errorCode: Int32(code.rawValue), errorMessage: String(message.prefix(200))))
  }
}
