package import GRPC
internal import Synchronization

/// What a caller may do over the gRPC API, by the names in its certificate.
package enum CallerRole: String, Comparable, Sendable {
  /// Sees payments.
  case read
  /// Opens and settles them, too.
  case settle
  /// Everything, methods of later versions among it.
  case admin

  private var rank: Int {
    switch self {
    case .read: 0
    case .settle: 1
    case .admin: 2
    }
  }

  package static func < (left: CallerRole, right: CallerRole) -> Bool { left.rank < right.rank }

  /// The least role that a method needs; nil for those of every caller who may do anything at all.
  static func needed(for path: String) -> CallerRole? {
    let parts = path.split(separator: "/")
    switch (parts.first, parts.last) {
    case ("paymentsapi.PaymentsApi", "GetPing"): return nil
    case ("payments.v1.PaymentService", "GetPayment"), ("payments.v1.PaymentService", "ListPayments"),
      ("payments.v1.PaymentService", "WatchPayment"):
      return .read
    case ("payments.v1.PaymentService", "CreatePayment"), ("payments.v1.PaymentService", "UpdatePaymentStatus"),
      ("paymentsapi.PaymentsApi", "UpdatePaymentStatus"):
      return .settle
    default:
      // Health and reflection say nothing of payments.
      return parts.first?.hasPrefix("grpc.") == true ? nil : .admin
    }
  }
}

/// Which names have which role: a line `ROLE NAME` each, `#` comments. Pure.
package struct CallerRoles: Sendable, Hashable {
  private let roles: [String: CallerRole]

  /// - Throws: what is wrong with a line, and which one.
  package init(_ text: String) throws(CallerRolesFault) {
    var roles: [String: CallerRole] = [:]
    // Bytes are looked at, not characters: a line may end in CR LF, which are one.
    let lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      let words = line.prefix { $0 != UInt8(ascii: "#") }
        .split { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }.map { String(decoding: $0, as: UTF8.self) }
      guard let first = words.first else { continue }
      guard words.count == 2, let role = CallerRole(rawValue: first) else {
        throw CallerRolesFault(line: index + 1, "expected read, settle or admin, and the name of a certificate")
      }
      guard roles.updateValue(role, forKey: words[1]) == nil else {
        throw CallerRolesFault(line: index + 1, "the name \(words[1]) is there twice")
      }
    }
    self.roles = roles
  }

  /// The highest role of these names; nil when none of them has one.
  func role(of names: [String]) -> CallerRole? { names.compactMap { roles[$0] }.max() }

  /// Why a caller may not call a method; nil when it may.
  func refusal(of names: [String], _ path: String) -> GRPCStatus? {
    guard let role = role(of: names) else {
      return GRPCStatus(.permissionDenied, "no name of the caller's certificate has a role here")
    }
    guard let needed = CallerRole.needed(for: path), role < needed else { return nil }
    return GRPCStatus(
      .permissionDenied, "the caller's role is \(role.rawValue); this method needs \(needed.rawValue)")
  }
}

/// What is wrong with a file of roles.
package struct CallerRolesFault: Error, CustomStringConvertible {
  private let line: Int
  private let words: String

  init(line: Int, _ words: String) {
    self.line = line
    self.words = words
  }

  package var description: String { "line \(line): \(words)" }
}

/// Refuses calls that the caller's role does not cover. The roles can be changed at any time, and count for calls on
/// open connections, too.
package final class CallerRoleCheck: ServerInterceptor {
  private let roles: Mutex<CallerRoles>

  /// Calls are judged by these roles.
  package init(_ roles: CallerRoles) { self.roles = Mutex(roles) }

  /// Judges calls by these roles from here on.
  package func change(_ roles: CallerRoles) { self.roles.withLock { $0 = roles } }

  package func willHandle(_ context: ServerContext) throws(GRPCStatus) {
    if let refusal = roles.withLock({ $0 }).refusal(of: context.peerNames, context.path) { throw refusal }
  }
}
