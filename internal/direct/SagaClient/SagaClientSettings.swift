internal import Errors
public import GRPC
public import Settings
internal import TLS
public import Values

/// Where the saga's gRPC API is, and whom to trust there: a group of settings, whose rows are `rows`.
public struct SagaClientSettings: Sendable {
  /// `SAGA_GRPC_ADDR`; nil when there is no saga, so that no payment can be for an order.
  public var address: NetworkAddress?
  /// `SAGA_GRPC_CA`: a PEM file, or `system`; empty for calls in clear.
  public var authorities = ""
  /// `SAGA_GRPC_CERT`.
  public var certificate = ""
  /// `SAGA_GRPC_KEY`.
  public var key = ""

  /// The values before any row of a table is read.
  public init() {}

  /// The prefix of the rows.
  public static let prefix = "SAGA_"

  /// The rows of the group.
  public static func rows(_ users: [Program]) -> [Setting<SagaClientSettings>] {
    [
      .optionalPeer(
        "SAGA_GRPC_ADDR", \.address, .value("127.0.0.1:8081"), users,
        "gRPC API of the saga, for payments of orders; empty: no payment may name an order"),
      .text(
        authoritiesName, \.authorities, rule: "the path of a PEM file, `system`, or nothing",
        { !$0.contains("-----BEGIN") && !$0.utf8.contains(0) }, .value(""), users,
        "certificate authorities of that API (`system`: those of this machine); empty: it is called in clear"),
      .file(certificateName, \.certificate, users, "client certificate for that API"),
      .keyFile(keyName, \.key, users, "private key of the certificate, not encrypted"),
    ]
  }

  private static let authoritiesName = "SAGA_GRPC_CA"
  private static let certificateName = "SAGA_GRPC_CERT"
  private static let keyName = "SAGA_GRPC_KEY"

  /// - Throws: `SettingsError` for a setting that needs another.
  public func check() throws(SettingsError) {
    let needs = [
      (Self.certificateName, certificate, Self.keyName, key),
      (Self.keyName, key, Self.certificateName, certificate),
      (Self.certificateName, certificate, Self.authoritiesName, authorities),
    ]
    for (name, value, needed, neededValue) in needs where !value.isEmpty && neededValue.isEmpty {
      throw SettingsError(.missingSetting, setting: needed, "\(needed) is not set, and \(name) is: expected both")
    }
  }

  /// The file of the certificate that is shown to that API, with the name of its setting; nil where none is.
  public var shownCertificate: (setting: String, file: String)? {
    address == nil || certificate.isEmpty ? nil : (Self.certificateName, certificate)
  }

  /// Reads the files, which blocks; connects with the first call.
  /// - Returns: nil when there is no saga.
  /// - Throws: `SettingsError` for a file that cannot be used.
  public func client(userAgent: String) throws(SettingsError) -> GRPCClient? {
    guard let address else { return nil }
    return GRPCClient(address: address, userAgent: userAgent, tls: try tls())
  }

  private func tls() throws(SettingsError) -> TLSClientContext? {
    guard !authorities.isEmpty else { return nil }
    do throws(TLSError) {
      return try TLSClientContext(
        authorities: authorities == "system" ? .system : .file(authorities),
        identity: certificate.isEmpty ? nil : TLSIdentityFiles(certificate: certificate, key: key))
    } catch {
      let (name, value) =
        switch error.code {
        case .certificate: (Self.certificateName, certificate)
        case .key: (Self.keyName, key)
        default: (Self.authoritiesName, authorities)
        }
      throw SettingsError(.invalidValue, setting: name, "\(name)=\(value): \(error)")
    }
  }
}
