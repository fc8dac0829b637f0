import Foundation
import HTTP2
import Logger
import Metrics
import Protobuf
import StandardMessages
import Testing
import Values

@testable import GRPC

private typealias Reflection = GRPCReflectionV1

struct ReflectionTests {
  /// A field of a descriptor: a string or a message.
  private static func part(_ number: UInt32, _ bytes: [UInt8]) -> [UInt8] {
    var writer = ProtobufWriter()
    writer.writeBytes(bytes, field: number, evenIfDefault: true)
    return writer.bytes
  }

  private static func part(_ number: UInt32, _ text: String) -> [UInt8] { part(number, Array(text.utf8)) }

  private static func number(_ value: Int32) -> [UInt8] {
    var writer = ProtobufWriter()
    writer.writeInt32(value, field: 3)
    return writer.bytes
  }

  /// a.proto, package p: message M { field f, oneof o, message N, enum E { V }, extension of itself at 100 }, service S
  /// { m }, extensions of M at 200 and 150, imports b.proto.
  private static let fileA: [UInt8] = {
    let value = part(2, part(1, "V"))
    let nested = part(3, part(1, "N"))
    let inner = part(6, part(1, "inside") + part(2, ".p.M") + number(100))
    let message = part(1, "M") + part(2, part(1, "f")) + part(8, part(1, "o")) + nested + part(4, part(1, "E") + value)
    let service = part(6, part(1, "S") + part(2, part(1, "m")))
    let extensions =
      part(7, part(1, "late") + part(2, ".p.M") + number(200))
      + part(7, part(1, "early") + part(2, ".p.M") + number(150))
    return part(1, "a.proto") + part(2, "p") + part(3, "b.proto") + part(4, message + inner) + service + extensions
  }()
  /// b.proto, no package: enum Top { LOW }; imports c.proto, which imports b.proto's own importer no more than itself.
  private static let fileB = part(1, "b.proto") + part(3, "c.proto") + part(5, part(1, "Top") + part(2, part(1, "LOW")))
  private static let fileC = part(1, "c.proto")
  private static let set = part(1, fileC) + part(1, fileB) + part(1, fileA)

  private static let service = ServiceDefinition(
    "p.S",
    [.unaryInline("/p.S/m") { (_: GoogleProtobuf.Empty, _) in GoogleProtobuf.Empty() }])

  private func ask(
    _ questions: [Reflection.ServerReflectionRequest], version: String = "v1"
  ) throws -> [Reflection.ServerReflectionResponse] {
    let reflection = try ReflectionService(
      describing: [Self.service], with: [DescriptorSet(serialized: Self.set)])
    let server = try GRPCServer(
      configuration: GRPCServerConfiguration(address: NetworkAddress(host: "127.0.0.1", port: 0), loops: 1),
      services: [Self.service] + reflection.definitions, logger: Logger(label: "test", level: .error) { _ in },
      metrics: MetricsRegistry())
    try server.start()
    defer { server.stop(until: .now() + .seconds(5)) }
    let client = GRPCClient(
      address: NetworkAddress(host: "127.0.0.1", port: server.boundPort), userAgent: "test")
    defer { client.close() }
    let path = "/grpc.reflection.\(version).ServerReflection/ServerReflectionInfo"
    return try client.exchange(path, questions.map { $0.serialized() }).map { bytes in
      try Reflection.ServerReflectionResponse(serialized: bytes)
    }
  }

  private func ask(_ question: Reflection.ServerReflectionRequest.Question) throws
    -> Reflection.ServerReflectionResponse.Answer?
  {
    try ask([Reflection.ServerReflectionRequest(question: question)]).first?.answer
  }

  @Test(arguments: ["v1", "v1alpha"])
  func `answers every question of a stream, in order and with the question`(version: String) throws {
    let questions = [
      Reflection.ServerReflectionRequest(host: "one", question: .listServices("*")),
      Reflection.ServerReflectionRequest(host: "two", question: .fileByFilename("c.proto")),
      Reflection.ServerReflectionRequest(),
    ]
    let answers = try ask(questions, version: version)
    #expect(answers.map(\.originalRequest) == questions)
    #expect(answers.map(\.validHost) == ["one", "two", ""])
    let names = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection", "p.S"]
    let services = Reflection.ListServiceResponse(service: names.map { Reflection.ServiceResponse(name: $0) })
    #expect(answers.first?.answer == .listServices(services))
    #expect(
      answers.dropFirst().first?.answer
        == .fileDescriptors(Reflection.FileDescriptorResponse(fileDescriptorProto: [Self.fileC])))
    guard case .error(let error) = answers.last?.answer else { throw GRPCStatus(.unknown, "expected an error") }
    #expect(error.errorCode == 3)
  }

  @Test func `a file comes before its imports, each once`() throws {
    let expected = Reflection.FileDescriptorResponse(fileDescriptorProto: [Self.fileA, Self.fileB, Self.fileC])
    #expect(try ask(.fileByFilename("a.proto")) == .fileDescriptors(expected))
  }

  @Test(arguments: [
    "p.M", "p.M.f", "p.M.o", "p.M.N", "p.M.E", "p.M.V", "p.M.inside", "p.S", "p.S.m", "p.late",
  ])
  func `every name leads to its file`(symbol: String) throws {
    guard case .fileDescriptors(let files) = try ask(.fileContainingSymbol(symbol)) else {
      throw GRPCStatus(.unknown, "\(symbol) was not found")
    }
    #expect(files.fileDescriptorProto.first == Self.fileA)
  }

  @Test(arguments: ["Top", "LOW"]) func `names without a package are found`(symbol: String) throws {
    let expected = Reflection.FileDescriptorResponse(fileDescriptorProto: [Self.fileB, Self.fileC])
    #expect(try ask(.fileContainingSymbol(symbol)) == .fileDescriptors(expected))
  }

  @Test func `extensions are found by number and listed in order`() throws {
    let first = Reflection.ExtensionRequest(containingType: "p.M", extensionNumber: 100)
    guard case .fileDescriptors(let files) = try ask(.fileContainingExtension(first)) else {
      throw GRPCStatus(.unknown, "the extension was not found")
    }
    #expect(files.fileDescriptorProto.first == Self.fileA)
    let numbers = Reflection.ExtensionNumberResponse(baseTypeName: "p.M", extensionNumber: [100, 150, 200])
    #expect(try ask(.allExtensionNumbersOfType("p.M")) == .allExtensionNumbers(numbers))
    let none = Reflection.ExtensionNumberResponse(baseTypeName: "p.M.N")
    #expect(try ask(.allExtensionNumbersOfType("p.M.N")) == .allExtensionNumbers(none))
  }

  @Test func `what is not there is an answer with NOT_FOUND, and the stream goes on`() throws {
    let unknown: [Reflection.ServerReflectionRequest.Question] = [
      .fileByFilename("d.proto"), .fileByFilename(""), .fileContainingSymbol("p"), .fileContainingSymbol("p.M.g"),
      .fileContainingExtension(Reflection.ExtensionRequest(containingType: "p.M", extensionNumber: 101)),
      .fileContainingExtension(Reflection.ExtensionRequest(containingType: "p.X", extensionNumber: 100)),
      .allExtensionNumbersOfType("p.E"), .allExtensionNumbersOfType("p.S"),
      .fileContainingSymbol(String(repeating: "x", count: 100_000)),
    ]
    let answers = try ask(unknown.map { Reflection.ServerReflectionRequest(question: $0) })
    #expect(answers.count == unknown.count)
    for answer in answers {
      guard case .error(let error) = answer.answer else { throw GRPCStatus(.unknown, "found \(answer)") }
      #expect(error.errorCode == 5 && error.errorMessage.utf8.count <= 200)
    }
  }

  @Test func `what cannot be described does not start`() throws {
    let code = { (services: [ServiceDefinition], bytes: [UInt8]) -> GRPCError.Code? in
      do throws(GRPCError) {
        _ = try ReflectionService(describing: services, with: [DescriptorSet(serialized: bytes)])
        return nil
      } catch {
        return error.code
      }
    }
    #expect(code([Self.service], Self.set) == nil)
    #expect(code([Self.service], Self.part(1, Self.fileC)) == .invalidDescriptors, "nothing declares the service")
    #expect(code([], Self.part(1, Self.fileB)) == .invalidDescriptors, "an import is missing")
    #expect(code([], [0x0A]) == .invalidDescriptors, "no message")
    #expect(throws: GRPCError.self) { try DescriptorSet(base64: "*") }
  }

  /// The name of the Python with grpcio-tools, as for the differential tests of the messages.
  private static let python = ProcessInfo.processInfo.environment["PROTOBUF_PYTHON"].flatMap { $0.isEmpty ? nil : $0 }

  @Test(.enabled(if: python != nil, "set PROTOBUF_PYTHON to a Python with grpcio-tools"))
  func `the committed descriptors are what protoc makes of the files`() throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(Self.python))
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../../..")
    process.arguments = ["-B", root.appending(path: "internal/stack/descriptors.py").path, "--check"]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
  }
}
