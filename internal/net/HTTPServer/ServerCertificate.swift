internal import Glibc
internal import Synchronization
public import TLS

/// The certificate of HTTP servers, with its key; it can be read again while connections are open.
///
/// Callable on any thread. Reading files blocks.
public final class ServerCertificate: Sendable {
  private let files: TLSIdentityFiles
  private let credentials: Mutex<CredentialsHandle>

  /// Reads the files.
  /// - Throws: `.certificate` or `.key` with the reason.
  public init(_ files: TLSIdentityFiles) throws(HTTPServerError) {
    self.files = files
    credentials = Mutex(try Self.read(files))
  }

  /// Reads the files again, for connections from here on. Open ones keep what they have.
  /// - Throws: as `init`; the earlier files then stay in force.
  public func reload() throws(HTTPServerError) {
    let made = try Self.read(files)
    credentials.withLock { $0 = made }
  }

  /// The end of the certificate, seconds since 1970.
  public var end: Int64? { current.end }

  /// What the next connection is served with.
  var current: CredentialsHandle { credentials.withLock { $0 } }

  private static func read(_ files: TLSIdentityFiles) throws(HTTPServerError) -> CredentialsHandle {
    try CredentialsHandle(
      chain: try read(files.certificate, .certificate, "a certificate chain in PEM"),
      key: try read(files.key, .key, "the certificate's private key in PEM, not encrypted"))
  }

  /// The longest file that is read: many certificates.
  private static let longestFile = 1 << 20

  private static func read(
    _ path: String, _ code: HTTPServerError.Code, _ expected: String
  ) throws(HTTPServerError) -> [UInt8] {
    guard let file = fopen(path, "rb") else {
      throw HTTPServerError(code, "expected \(expected), found: \(String(cString: strerror(errno)))")
    }
    defer { fclose(file) }
    let bytes = [UInt8](unsafeUninitializedCapacity: longestFile) { $1 = fread($0.baseAddress, 1, longestFile, file) }
    guard ferror(file) == 0 else {
      throw HTTPServerError(code, "expected \(expected), found: \(String(cString: strerror(errno)))")
    }
    return bytes
  }
}
