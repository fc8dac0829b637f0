internal import CGnutls

/// Credentials of GnuTLS: a certificate chain with its key.
///
/// Connections of several servers may use them at once: "read-only access to objects, for example the credentials
/// holding structures, is also thread-safe" (GnuTLS manual, Thread safety).
final class CredentialsHandle: @unchecked Sendable {
  // @unchecked: changed in init only, see above.
  private let credentials: gnutls_certificate_credentials_t
  /// The end of the certificate, seconds since 1970; nil where it has none that can be read.
  let end: Int64?

  /// - Parameters:
  ///   - chain: certificates in PEM, the server's first.
  ///   - key: its private key in PEM, not encrypted.
  /// - Throws: `.certificate`, `.key` or `.cannotStart` with the reason.
  init(chain: [UInt8], key: [UInt8]) throws(HTTPServerError) {
    let chain = try Chain(chain)
    let key = try Key(key)
    var made: gnutls_certificate_credentials_t?
    guard gnutls_certificate_allocate_credentials(&made) == GNUTLS_E_SUCCESS, let made else {
      throw HTTPServerError(.cannotStart, "GnuTLS got no memory for a certificate")
    }
    // Copies both.
    let outcome = gnutls_certificate_set_x509_key(made, chain.certificates, Int32(chain.count), key.key)
    guard outcome == GNUTLS_E_SUCCESS else {
      gnutls_certificate_free_credentials(made)
      throw HTTPServerError(.key, Key.expected(outcome))
    }
    credentials = made
    let time = gnutls_x509_crt_get_expiration_time(chain.certificates?[0])
    end = time < 0 ? nil : Int64(time)
  }

  deinit { gnutls_certificate_free_credentials(credentials) }

  /// Gives a session these instead of those it has. They must outlive it.
  func serve(_ session: OpaquePointer) {
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, UnsafeMutableRawPointer(credentials))
  }

  /// Certificates while they are taken over.
  private struct Chain: ~Copyable {
    let certificates: UnsafeMutablePointer<gnutls_x509_crt_t?>?
    let count: UInt32

    init(_ text: [UInt8]) throws(HTTPServerError) {
      var (certificates, count): (UnsafeMutablePointer<gnutls_x509_crt_t?>?, UInt32) = (nil, 0)
      let outcome = withDatum(text) {
        gnutls_x509_crt_list_import2(
          &certificates, &count, $0, GNUTLS_X509_FMT_PEM, GNUTLS_X509_CRT_LIST_SORT.rawValue)
      }
      guard outcome >= 0, count > 0 else {
        throw HTTPServerError(
          .certificate, "expected a certificate chain in PEM, found: \(String(cString: gnutls_strerror(outcome)))")
      }
      (self.certificates, self.count) = (certificates, count)
    }

    deinit {
      for index in 0..<Int(count) { gnutls_x509_crt_deinit(certificates?[index]) }
      tls_release(certificates)
    }
  }

  /// A private key while it is taken over.
  private struct Key: ~Copyable {
    let key: gnutls_x509_privkey_t?

    init(_ text: [UInt8]) throws(HTTPServerError) {
      var key: gnutls_x509_privkey_t?
      var outcome = gnutls_x509_privkey_init(&key)
      if outcome == GNUTLS_E_SUCCESS {
        outcome = withDatum(text) { gnutls_x509_privkey_import2(key, $0, GNUTLS_X509_FMT_PEM, nil, 0) }
      }
      guard outcome == GNUTLS_E_SUCCESS else {
        gnutls_x509_privkey_deinit(key)
        throw HTTPServerError(.key, Self.expected(outcome))
      }
      self.key = key
    }

    deinit { gnutls_x509_privkey_deinit(key) }

    static func expected(_ outcome: Int32) -> String {
      "expected the certificate's private key in PEM, not encrypted, found: \(String(cString: gnutls_strerror(outcome)))"
    }
  }
}

/// Calls a function with a text as GnuTLS wants it, which only reads it.
private func withDatum(_ text: [UInt8], _ body: (UnsafePointer<gnutls_datum_t>) -> Int32) -> Int32 {
  text.withUnsafeBufferPointer { bytes in
    var datum = gnutls_datum_t(data: UnsafeMutablePointer(mutating: bytes.baseAddress), size: UInt32(bytes.count))
    return body(&datum)
  }
}
