internal import COpenSSL

/// The identity that the other side proved with a certificate that we trust.
public struct TLSPeer: Sendable, Hashable {
  /// The certificate's subject as RFC 2253 writes it, `CN=orders,O=Example`; for people and logs.
  public let subject: String
  /// The DNS names among its subject alternative names; authorise by these or by `uris`.
  public let dnsNames: [String]
  /// URIs among them, such as SPIFFE identities.
  public let uris: [String]
  /// SHA-256 of the certificate.
  public let fingerprint: [UInt8]

  /// - Returns: nil when the other side showed no certificate.
  init?(_ ssl: OpaquePointer) {
    guard let certificate = SSL_get0_peer_certificate(ssl), SSL_get_verify_result(ssl) == Int(X509_V_OK) else {
      return nil
    }
    subject = Self.subject(certificate)
    (dnsNames, uris) = Self.alternativeNames(certificate)
    var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var length: UInt32 = 0
    X509_digest(certificate, EVP_sha256(), &digest, &length)
    fingerprint = Array(digest.prefix(Int(length)))
  }

  private static func subject(_ certificate: OpaquePointer) -> String {
    guard let bio = BIO_new(BIO_s_mem()) else { return "" }
    defer { BIO_free(bio) }
    // XN_FLAG_RFC2253 without ASN1_STRFLGS_ESC_MSB: escapes control characters, leaves UTF-8 alone.
    X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, tls_subject_format)
    let text = withUnsafeTemporaryAllocation(byteCount: 1_024, alignment: 1) { buffer in
      let count = BIO_read(bio, buffer.baseAddress, Int32(buffer.count))
      return String(decoding: buffer.prefix(max(0, Int(count))), as: UTF8.self)
    }
    return text
  }

  private static func alternativeNames(_ certificate: OpaquePointer) -> (dns: [String], uris: [String]) {
    guard let raw = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) else { return ([], []) }
    let names = OpaquePointer(raw)
    defer { GENERAL_NAMES_free(names) }
    let texts = { (type: Int32) in
      (0..<tls_name_count(names)).compactMap { index -> String? in
        var length: Int32 = 0
        guard let bytes = tls_name(names, index, type, &length) else { return nil }
        let text = UnsafeBufferPointer(start: bytes, count: Int(length))
        // A name with a NUL in it pretends to be a shorter one; they are ASCII (RFC 5280 section 4.2.1.6).
        return text.contains { $0 <= 0x20 || $0 >= 0x7F } ? nil : String(decoding: text, as: UTF8.self)
      }
    }
    return (texts(GEN_DNS), texts(GEN_URI))
  }
}
