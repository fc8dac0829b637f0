import GRPC
import StandardMessages
import Testing

@Suite struct StatusDetailsTests {
  @Test func `a status tells its reason, the field and when to try again`() throws {
    let status = GRPCStatus(
      .aborted, "busy", reason: "BUSY", domain: "shop.example", field: ("id", "is taken"),
      retryDelay: .milliseconds(1_250))
    let rich = try #require(status.richStatus)
    #expect(rich.code == Int32(GRPCCode.aborted.rawValue) && rich.message == "busy" && rich.details.count == 3)
    #expect(try rich.details[0].unpack(as: GoogleRPC.ErrorInfo.self)?.reason == "BUSY")
    #expect(try rich.details[1].unpack(as: GoogleRPC.BadRequest.self)?.fieldViolations.first?.field == "id")
    let delay = try rich.details[2].unpack(as: GoogleRPC.RetryInfo.self)?.retryDelay
    #expect(delay == GoogleProtobuf.Duration(seconds: 1, nanos: 250_000_000))
  }
}
