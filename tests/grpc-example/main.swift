// A price list over gRPC: all four kinds of calls, authorisation, health and reflection. The whole of it is in
// docs/grpc.md.
import Foundation
import GRPC
import HTTP2
import Logger
import Metrics
import Protobuf
import Runtime
import StandardMessages
import Values

// 1. The messages of prices.proto, by hand: a property, a number and a type for each field.
struct Item: ProtobufMessage {
  var name = ""

  mutating func decodeField(_ field: ProtobufField, from reader: inout ProtobufReader) throws(ProtobufError) {
    switch (field.number, field.wireType) {
    case (1, .lengthDelimited): name = try reader.readString()
    default: try reader.skip(field)
    }
  }

  func encode(to writer: inout ProtobufWriter) {
    writer.writeString(name, field: 1)
  }
}

struct Price: ProtobufMessage {
  var name = ""
  var cents: Int64 = 0

  mutating func decodeField(_ field: ProtobufField, from reader: inout ProtobufReader) throws(ProtobufError) {
    switch (field.number, field.wireType) {
    case (1, .lengthDelimited): name = try reader.readString()
    case (2, .varint): cents = try reader.readInt64()
    default: try reader.skip(field)
    }
  }

  func encode(to writer: inout ProtobufWriter) {
    writer.writeString(name, field: 1)
    writer.writeInt64(cents, field: 2)
  }
}

// 2. The handlers: a request in, a response or a status out. Streams push back by themselves: `write` waits while the
//    caller does not read, and the caller cannot send more than a window of what the handler does not take.
struct Prices: Sendable {
  private let history: [String: [Int64]] = ["tea": [230, 240, 250], "coffee": [320]]

  var service: ServiceDefinition {
    ServiceDefinition(
      "shop.v1.Prices",
      [
        .unaryInline("/shop.v1.Prices/Get") { (item: Item, _) throws -> Price in try price(of: item) },
        .serverStreaming("/shop.v1.Prices/History") { (item: Item, _, writer: ResponseWriter<Price>) in
          for cents in try known(item) { try await writer.write(Price(name: item.name, cents: cents)) }
        },
        .clientStreaming("/shop.v1.Prices/Total") { (items: RequestStream<Item>, context) in
          var total = Price(name: "total")
          for try await item in items { total.cents += try price(of: item).cents }
          context.setTrailers(["x-answered-for": context.peer])
          return total
        },
        .bidirectional("/shop.v1.Prices/Ask") { (items: RequestStream<Item>, _, writer: ResponseWriter<Price>) in
          for try await item in items { try await writer.write(price(of: item)) }
        },
      ])
  }

  private func price(of item: Item) throws(GRPCStatus) -> Price {
    Price(name: item.name, cents: try known(item).last ?? 0)
  }

  private func known(_ item: Item) throws(GRPCStatus) -> [Int64] {
    guard let known = history[item.name] else {
      throw GRPCStatus(.notFound, "there is no \(item.name)", reason: "UNKNOWN_ITEM", domain: "shop.example")
    }
    return known
  }
}

// 3. An interceptor sees every call before its handler and after its status. This one lets in who knows the word.
struct Doorkeeper: ServerInterceptor {
  func willHandle(_ context: ServerContext) throws(GRPCStatus) {
    guard context.path.hasPrefix("/shop."), context.metadata["authorization"] != "Bearer sesame" else { return }
    throw GRPCStatus(.unauthenticated, "expected the metadata authorization: Bearer WORD")
  }
}

// 4. The server, with health, and reflection from what `protoc --include_imports --descriptor_set_out=FILE` wrote.
let signals = TerminationSignals()
guard CommandLine.arguments.count == 3, let address = NetworkAddress(CommandLine.arguments[1]) else {
  print("usage: grpc-example HOST:PORT DESCRIPTORS")
  exit(2)
}
let logger = Logger(label: "prices", level: .debug)
let health = HealthService()
let services = [Prices().service, health.definition]
let descriptors = try DescriptorSet(serialized: [UInt8](Data(contentsOf: URL(filePath: CommandLine.arguments[2]))))
let metrics = MetricsRegistry()
let server = try GRPCServer(
  configuration: GRPCServerConfiguration(address: address),
  services: services + ReflectionService(describing: services, with: [descriptors]).definitions,
  interceptors: [CallLog(logger), Doorkeeper()], logger: logger, metrics: metrics)
try server.start()
health.set(status: .serving)
logger.info("serving", ["port": .number(server.boundPort)])

// 5. Stop: callers are told, calls get ten seconds to end. Calls were counted and timed by method meanwhile.
_ = signals.wait()
health.setAllNotServing()
server.stop(until: .now() + .seconds(10))
print(metrics.exposition())
