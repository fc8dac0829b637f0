internal import COpenSSL

/// Tells when certificates in PEM end, without using them. Callable on any thread.
public enum CertificateFile {
  /// The end of the first certificate of a file, seconds since 1970; nil where no certificate can be read. Blocks.
  public static func end(at path: String) -> Int64? { end(in: BIO_new_file(path, "r")) }

  /// The end of the first certificate of a text in PEM, seconds since 1970; nil where there is none.
  public static func end(ofPEM text: String) -> Int64? {
    let bytes = Array(text.utf8)
    // The buffer is read here only, while `bytes` is alive.
    return bytes.withUnsafeBytes { end(in: BIO_new_mem_buf($0.baseAddress, Int32(clamping: $0.count))) }
  }

  /// - Parameter input: freed here; nil where it could not be opened.
  private static func end(in input: OpaquePointer?) -> Int64? {
    // What went wrong is nobody's concern: a later error must not show it.
    defer { ERR_clear_error() }
    guard let input else { return nil }
    defer { BIO_free(input) }
    guard let certificate = PEM_read_bio_X509(input, nil, noPassword, nil) else { return nil }
    defer { X509_free(certificate) }
    return secondsSince1970(X509_get0_notAfter(certificate))
  }
}
