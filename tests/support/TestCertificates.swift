internal import Foundation
package import TLS

/// Certificates for the time of the tests, made by the openssl command: an authority, a server's and a client's of it,
/// and the same of another authority.
package struct TestCertificates: Sendable {
  package let directory: String

  package static let ours = TestCertificates("ours")
  package static let others = TestCertificates("others")

  package var authority: TLSAuthorities { .file(authorityFile) }
  package var authorityFile: String { directory + "/ca.pem" }
  package var server: TLSIdentityFiles { identity("server") }
  package var client: TLSIdentityFiles { identity("client") }

  private func identity(_ name: String) -> TLSIdentityFiles {
    TLSIdentityFiles(certificate: "\(directory)/\(name).pem", key: "\(directory)/\(name).key")
  }

  private init(_ name: String) {
    directory = FileManager.default.temporaryDirectory.appending(path: "tls-\(name)-\(UUID())").path
    do {
      try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
      try make("ca", "/CN=\(name)", ["-addext", "basicConstraints=critical,CA:TRUE"])
      let signed = ["-CA", authorityFile, "-CAkey", directory + "/ca.key"]
      try make("server", "/CN=server", signed + ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"])
      try make(
        "client", "/O=Example/CN=orders",
        signed + ["-addext", "subjectAltName=DNS:orders.example,URI:spiffe://example/orders"])
    } catch {
      fatalError("the openssl command cannot make certificates: \(error)")
    }
  }

  /// Makes `name.pem` and `name.key`.
  private func make(_ name: String, _ subject: String, _ more: [String]) throws {
    let openssl = Process()
    openssl.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
    openssl.arguments =
      [
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
        subject, "-keyout", "\(directory)/\(name).key", "-out", "\(directory)/\(name).pem",
      ] + more
    openssl.standardError = FileHandle.nullDevice
    try openssl.run()
    openssl.waitUntilExit()
    guard openssl.terminationStatus == 0 else { throw CocoaError(.executableLoad) }
  }
}
