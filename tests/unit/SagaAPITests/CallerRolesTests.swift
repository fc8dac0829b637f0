import GRPC
import Testing

@testable import SagaAPI

@Suite struct CallerRolesTests {
  private static let methods: [(path: String, reader: Bool, teller: Bool)] = [
    ("/payments.v1.PaymentService/GetPayment", true, true), ("/payments.v1.PaymentService/ListPayments", true, true),
    ("/payments.v1.PaymentService/WatchPayment", true, true),
    ("/payments.v1.PaymentService/CreatePayment", false, true),
    ("/payments.v1.PaymentService/UpdatePaymentStatus", false, true),
    ("/paymentsapi.PaymentsApi/UpdatePaymentStatus", false, true), ("/paymentsapi.PaymentsApi/GetPing", true, true),
    ("/grpc.health.v1.Health/Check", true, true),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", true, true),
    // Of a later version.
    ("/payments.v1.PaymentService/DeletePayment", false, false), ("/other.Service/Any", false, false),
  ]

  @Test func eachRoleCoversItsMethods() throws {
    let roles = try CallerRoles("read a\nsettle spiffe://example/b # comment\r\nadmin c\n\n# end")
    for method in Self.methods {
      #expect((roles.refusal(of: ["a"], method.path) == nil) == method.reader, "\(method.path)")
      #expect((roles.refusal(of: ["spiffe://example/b"], method.path) == nil) == method.teller, "\(method.path)")
      #expect(roles.refusal(of: ["c"], method.path) == nil)
      #expect(roles.refusal(of: ["d"], method.path)?.code == .permissionDenied)
      #expect(roles.refusal(of: [], method.path)?.code == .permissionDenied)
    }
  }

  @Test func theHighestRoleOfACertificatesNamesCounts() throws {
    let roles = try CallerRoles("read a\nadmin b")
    #expect(roles.role(of: ["a", "x", "b"]) == .admin)
    #expect(roles.role(of: ["A"]) == nil)
  }

  @Test(arguments: [
    ("read", 1), ("\nread a b", 2), ("owner a", 1), ("read a\nread a", 2), ("read a\nsettle a", 2), ("READ a", 1),
  ]) func aWrongLineIsNamed(_ text: String, _ line: Int) {
    do throws(CallerRolesFault) {
      _ = try CallerRoles(text)
      Issue.record("\(text) was taken")
    } catch {
      #expect(error.description.hasPrefix("line \(line): "))
    }
  }
}
