import Errors
import SagaSettings
import Settings
import TLS
import Values

/// The server to call, from the options `--server`, `--tls-ca`, `--tls-cert`, `--tls-key`.
struct ServerTarget {
  /// Nil: that of the settings.
  let address: NetworkAddress?
  private let authorities: TLSAuthorities?
  private let identity: TLSIdentityFiles?

  /// - Throws: a usage error for an option that needs another.
  init(_ arguments: Arguments) throws(CommandError) {
    address = try arguments.address("--server")
    authorities = arguments.text("--tls-ca").map { $0 == "system" ? .system : .file($0) }
    switch (arguments.text("--tls-cert"), arguments.text("--tls-key")) {
    case (nil, nil): identity = nil
    case (let certificate?, let key?): identity = TLSIdentityFiles(certificate: certificate, key: key)
    case (nil, _): throw .usage("--tls-key needs --tls-cert")
    case (_, nil): throw .usage("--tls-cert needs --tls-key")
    }
    if identity != nil, authorities == nil {
      throw .usage("--tls-cert needs --tls-ca: whose certificate the server has to have")
    }
  }

  /// Reads the files.
  /// - Returns: nil for a call in clear.
  func tlsContext() throws(CommandError) -> TLSClientContext? {
    guard let authorities else { return nil }
    do throws(TLSError) {
      return try TLSClientContext(authorities: authorities, identity: identity)
    } catch {
      let option =
        switch error.code {
        case .certificate: "--tls-cert"
        case .key: "--tls-key"
        default: "--tls-ca"
        }
      throw .usage("\(option): \(error.description)")
    }
  }
}

extension NetworkAddress {
  /// Where to call what listens there: a server that listens on every address is called on this machine's own.
  var called: NetworkAddress {
    let local = ["0.0.0.0": "127.0.0.1", NetworkAddress.everyHost: "localhost"]
    return NetworkAddress(host: local[host] ?? host, port: port)
  }
}
