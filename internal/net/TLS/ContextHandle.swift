internal import COpenSSL
internal import Glibc

/// An `SSL_CTX`: keys, certificates and rules of sessions; reference-counted by OpenSSL.
///
/// Sessions may be made of one context on several threads at once: "SSL_CTX objects … can be safely shared between
/// threads" once they are not changed any more (openssl-threads, SSL_CTX_new).
struct ContextHandle: ~Copyable, @unchecked Sendable {
  // @unchecked: changed in init only, see above.
  private let context: OpaquePointer

  /// Takes over `context`.
  private init(taking context: OpaquePointer) { self.context = context }

  deinit { SSL_CTX_free(context) }

  /// Settings that both sides have in common.
  private static func make(_ method: OpaquePointer) throws(TLSError) -> ContextHandle {
    guard let context = SSL_CTX_new(method) else {
      throw TLSError(.outOfMemory, "OpenSSL could not make a context: \(takeOpenSSLReason())")
    }
    // RFC 9113 section 9.2: TLS 1.2 at least, no renegotiation, no compression, and of 1.2 only the ciphers that its
    // appendix A leaves: ephemeral keys and authenticated encryption. Those of 1.3 are all fine.
    tls_set_options(context)
    guard tls_set_min_version(context, TLS1_2_VERSION) == 1,
      SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1
    else {
      SSL_CTX_free(context)
      throw TLSError(.outOfMemory, "OpenSSL refuses our versions or ciphers: \(takeOpenSSLReason())")
    }
    tls_set_modes(context)
    // One recv for many records, instead of two for each.
    tls_read_ahead(context)
    // Resumption is by ticket alone, so that closed sessions take no memory.
    tls_keep_no_sessions(context)
    // An encrypted key must not make OpenSSL ask at a terminal.
    SSL_CTX_set_default_passwd_cb(context, noPassword)
    return ContextHandle(taking: context)
  }

  /// The rules of a server.
  /// - Parameters:
  ///   - clients: when not nil, only clients with a certificate of these are let in.
  ///   - sessionContext: the name under which sessions of such clients are resumed.
  static func server(
    _ files: TLSIdentityFiles, clients: TLSClients?, sessionContext: String
  ) throws(TLSError) -> ContextHandle {
    let made = try make(TLS_server_method())
    try made.identify(files)
    SSL_CTX_set_client_hello_cb(made.context, requireALPN, nil)
    SSL_CTX_set_alpn_select_cb(made.context, selectHTTP2, nil)
    // Seconds a ticket is valid; the client's certificate may expire meanwhile.
    SSL_CTX_set_timeout(made.context, 300)
    if let clients {
      try made.trust(.file(clients.authorities), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT)
      if let revocations = clients.revocations { try made.refuseRevoked(revocations) }
      // The names that clients choose their certificate by.
      SSL_CTX_set_client_CA_list(made.context, SSL_load_client_CA_file(clients.authorities))
      let name = Array(sessionContext.utf8)
      // Without it no session with a client certificate is resumed.
      SSL_CTX_set_session_id_context(made.context, name, UInt32(name.count))
    }
    return made
  }

  /// The rules of a client.
  static func client(_ authorities: TLSAuthorities, _ files: TLSIdentityFiles?) throws(TLSError) -> ContextHandle {
    let made = try make(TLS_client_method())
    if let files { try made.identify(files) }
    try made.trust(authorities, SSL_VERIFY_PEER)
    SSL_CTX_set_alpn_protos(made.context, http2Protocol, UInt32(http2Protocol.count))
    return made
  }

  /// A session of these rules over a socket.
  func makeSession(_ descriptor: Int32) throws(TLSError) -> SessionHandle {
    guard let ssl = SSL_new(context) else {
      throw TLSError(.outOfMemory, "OpenSSL could not make a session: \(takeOpenSSLReason())")
    }
    return try SessionHandle(ssl, descriptor)
  }

  /// The expiry of the certificate, seconds since 1970.
  var certificateEnd: Int64? {
    guard let certificate = SSL_CTX_get0_certificate(context) else { return nil }
    return secondsSince1970(X509_get0_notAfter(certificate))
  }

  private func identify(_ files: TLSIdentityFiles) throws(TLSError) {
    ERR_clear_error()
    guard SSL_CTX_use_certificate_chain_file(context, files.certificate) == 1 else {
      throw TLSError(.certificate, "expected a certificate chain in PEM, found: \(takeOpenSSLReason())")
    }
    guard SSL_CTX_use_PrivateKey_file(context, files.key, SSL_FILETYPE_PEM) == 1 else {
      throw TLSError(
        .key, "expected the certificate's private key in PEM, not encrypted, found: \(takeOpenSSLReason())")
    }
  }

  private func trust(_ authorities: TLSAuthorities, _ mode: Int32) throws(TLSError) {
    ERR_clear_error()
    let outcome =
      switch authorities {
      case .file(let path): SSL_CTX_load_verify_file(context, path)
      case .system: SSL_CTX_set_default_verify_paths(context)
      }
    guard outcome == 1 else {
      throw TLSError(.authorities, "expected certificates of authorities in PEM, found: \(takeOpenSSLReason())")
    }
    SSL_CTX_set_verify(context, mode, nil)
  }

  /// Checks each client's own certificate against the lists of a PEM file.
  private func refuseRevoked(_ lists: String) throws(TLSError) {
    ERR_clear_error()
    let store = SSL_CTX_get_cert_store(context)
    guard let lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file()),
      X509_load_crl_file(lookup, lists, X509_FILETYPE_PEM) > 0,
      X509_STORE_set_flags(store, UInt(X509_V_FLAG_CRL_CHECK)) == 1
    else {
      throw TLSError(.revocations, "expected revocation lists in PEM, found: \(takeOpenSSLReason())")
    }
  }
}

/// ALPN's list with `h2` in it (RFC 7301: each name after its length).
private let http2Protocol: [UInt8] = [2, UInt8(ascii: "h"), UInt8(ascii: "2")]

/// Number of the extension for ALPN (RFC 7301 section 3.1).
private let alpnExtension: UInt32 = 16

func secondsSince1970(_ time: UnsafePointer<ASN1_TIME>?) -> Int64? {
  var parts = tm()
  return ASN1_TIME_to_tm(time, &parts) == 1 ? Int64(timegm(&parts)) : nil
}

/// For OpenSSL: there is never a password.
func noPassword(
  _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int32, _ isWriting: Int32, _ context: UnsafeMutableRawPointer?
) -> Int32 { -1 }

/// For OpenSSL, before any computation for a client: a client that does not offer ALPN does not speak HTTP/2.
private func requireALPN(
  _ ssl: OpaquePointer?, _ alert: UnsafeMutablePointer<Int32>?, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  var bytes: UnsafePointer<UInt8>?
  var length = 0
  if SSL_client_hello_get0_ext(ssl, alpnExtension, &bytes, &length) == 1 { return SSL_CLIENT_HELLO_SUCCESS }
  alert?.pointee = SSL_AD_NO_APPLICATION_PROTOCOL
  return SSL_CLIENT_HELLO_ERROR
}

/// For OpenSSL: chooses `h2` from the client's list, or fails the handshake.
private func selectHTTP2(
  _ ssl: OpaquePointer?, _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
  _ chosenLength: UnsafeMutablePointer<UInt8>?, _ offered: UnsafePointer<UInt8>?, _ offeredLength: UInt32,
  _ context: UnsafeMutableRawPointer?
) -> Int32 {
  let list = UnsafeBufferPointer(start: offered, count: Int(offeredLength))
  var start = 0
  while start < list.count {
    let end = start + 1 + Int(list[start])
    guard end <= list.count else { break }
    if list[start..<end].elementsEqual(http2Protocol) {
      // Points into the client's own list, which OpenSSL copies from.
      chosen?.pointee = list.baseAddress.map { $0 + start + 1 }
      chosenLength?.pointee = list[start]
      return SSL_TLSEXT_ERR_OK
    }
    start = end
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL
}
