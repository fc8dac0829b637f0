internal import COpenSSL
internal import Glibc
public import Values

/// TLS over a connected, non-blocking socket, which it owns.
///
/// Not thread-safe: one thread at a time, which may hand it on to another. `close` is called once.
public final class TLSStream: @unchecked Sendable {
  // @unchecked: it is handed from the thread that connects to the loop that serves, and used by one at a time.

  /// The state of a handshake or a farewell.
  public enum Progress: Sendable {
    case done
    /// Call again when the descriptor is readable.
    case wantsRead
    /// Call again when the descriptor is writable.
    case wantsWrite
    case failed(TLSError)
  }
  /// Room for what OpenSSL may hold of an unfinished record from an earlier read: one record at most (RFC 8446
  /// section 5.2: 2^14 + 256 bytes and a header; TLS 1.2 allows 2^14 + 2048).
  static let recordRoom = 19 << 10
  private static let handshakeBudget = 64 << 10

  /// The socket, to watch for readiness; `close` closes it.
  public let descriptor: Int32
  private let session: SessionHandle
  /// close_notify can still be sent: the handshake is done, and nothing has failed since.
  private var isUsable = false
  /// The failure of an established connection: an alert of the peer, such as for a refused client certificate, or bytes
  /// that cannot be decrypted.
  public private(set) var failure: TLSError?
  /// The other side's identity, once the handshake is done; nil for a client without a certificate.
  public private(set) var peer: TLSPeer?

  /// Takes the descriptor over; when it throws, the descriptor is closed.
  private init(_ descriptor: Int32, _ context: borrowing ContextHandle) throws(TLSError) {
    self.descriptor = descriptor
    do throws(TLSError) {
      session = try context.makeSession(descriptor)
    } catch {
      _ = Glibc.close(descriptor)
      throw error
    }
  }

  static func accepted(_ descriptor: Int32, _ context: borrowing ContextHandle) throws(TLSError) -> TLSStream {
    let stream = try TLSStream(descriptor, context)
    SSL_set_accept_state(stream.session.ssl)
    return stream
  }

  /// - Parameter host: whose name or address the server's certificate must carry.
  static func connected(
    _ descriptor: Int32, host: String, _ context: borrowing ContextHandle
  ) throws(TLSError) -> TLSStream {
    let stream = try TLSStream(descriptor, context)
    let ssl = stream.session.ssl
    SSL_set_connect_state(ssl)
    if X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) != 1 {
      // Not an address, so it is a name, which the server may choose its certificate by (RFC 6066 section 3).
      guard SSL_set1_host(ssl, host) == 1, tls_set_server_name(ssl, host) == 1 else {
        stream.close()
        throw TLSError(.handshake, "'\(host)' cannot be the name of a TLS server: \(takeOpenSSLReason())")
      }
    }
    return stream
  }

  // MARK: Handshake

  /// Continues the handshake as far as the socket allows.
  public func handshake() -> Progress {
    session.allow(receiving: Self.handshakeBudget)
    ERR_clear_error()
    let outcome = SSL_do_handshake(session.ssl)
    if outcome == 1 { return finishHandshake() }
    switch SSL_get_error(session.ssl, outcome) {
    case SSL_ERROR_WANT_READ: return .wantsRead
    case SSL_ERROR_WANT_WRITE: return .wantsWrite
    case SSL_ERROR_SYSCALL: return .failed(TLSError(.handshake, "the peer went away during the TLS handshake"))
    default: return .failed(TLSError(.handshake, "the TLS handshake failed: \(failureReason)"))
    }
  }

  private func finishHandshake() -> Progress {
    isUsable = true
    var name: UnsafePointer<UInt8>?
    var length: UInt32 = 0
    SSL_get0_alpn_selected(session.ssl, &name, &length)
    guard UnsafeBufferPointer(start: name, count: Int(length)).elementsEqual("h2".utf8) else {
      return .failed(TLSError(.handshake, "the peer did not agree to HTTP/2: no ALPN protocol h2"))
    }
    peer = TLSPeer(session.ssl)
    return .done
  }

  /// OpenSSL's reason; for a refused certificate, the fault in it.
  private var failureReason: String {
    let reason = takeOpenSSLReason()
    let verdict = SSL_get_verify_result(session.ssl)
    guard verdict != Int(X509_V_OK), let text = X509_verify_cert_error_string(verdict) else { return reason }
    return "\(reason) (\(String(cString: text)))"
  }

  /// The whole handshake, for threads that may block.
  /// - Throws: `.handshake`, also when `deadline` passes.
  public func handshake(until deadline: Instant) throws(TLSError) {
    while true {
      let events: Int32
      switch handshake() {
      case .done: return
      case .failed(let error): throw error
      case .wantsRead: events = POLLIN
      case .wantsWrite: events = POLLOUT
      }
      var wait = pollfd(fd: descriptor, events: Int16(events), revents: 0)
      let remaining = max(0, (deadline - Instant.now()).inMilliseconds)
      guard remaining > 0, poll(&wait, 1, Int32(clamping: remaining)) != 0 else {
        throw TLSError(.handshake, "no answer to the TLS handshake in time")
      }
    }
  }

  // MARK: Bytes

  /// Reads everything that can be decrypted now.
  ///
  /// At most as much is received from the socket as fits into `buffer` (at least 32 KiB), so that afterwards OpenSSL
  /// holds no byte that the socket's readiness does not report, except an incomplete record.
  public func read(_ buffer: UnsafeMutableRawBufferPointer) -> TransportOutcome {
    precondition(buffer.count >= 32 << 10, "a TLS read needs room for an unfinished record beside what comes")
    session.allow(receiving: buffer.count - Self.recordRoom)
    var filled = 0
    while filled < buffer.count {
      ERR_clear_error()
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
      let count = SSL_read(session.ssl, rest.baseAddress, Int32(rest.count))
      if count > 0 {
        filled += Int(count)
        continue
      }
      let error = SSL_get_error(session.ssl, count)
      if error == SSL_ERROR_WANT_READ { break }
      // A peer that wants an answer to a key update and drains nothing (WANT_WRITE) counts as closed.
      if error != SSL_ERROR_ZERO_RETURN { fail(error) }
      if filled == 0 { return .closed }
      // The next read reports the end. The socket is made ready for it, since there may be nothing left to receive.
      _ = shutdown(descriptor, Int32(SHUT_RD))
      break
    }
    return filled > 0 ? .count(filled) : .wouldBlock
  }

  /// Writes as much as the socket takes. After a partial write, the next one must begin with the remaining bytes.
  public func write(_ bytes: UnsafeRawBufferPointer) -> TransportOutcome {
    var sent = 0
    while sent < bytes.count {
      ERR_clear_error()
      let rest = UnsafeRawBufferPointer(rebasing: bytes[sent...])
      let count = SSL_write(session.ssl, rest.baseAddress, Int32(clamping: rest.count))
      if count > 0 {
        sent += Int(count)
        continue
      }
      let error = SSL_get_error(session.ssl, count)
      if error == SSL_ERROR_WANT_WRITE { return sent > 0 ? .count(sent) : .wouldBlock }
      fail(error)
      return .closed
    }
    return .count(sent)
  }

  private func fail(_ error: Int32) {
    isUsable = false
    // Only SSL_ERROR_SSL has a reason in OpenSSL; an end without close_notify is not worth reporting.
    guard error == SSL_ERROR_SSL, failure == nil else { return }
    let reason = takeOpenSSLReason()
    if reason != "unexpected eof while reading" { failure = TLSError(.connection, "TLS failed: \(reason)") }
  }

  // MARK: The end

  /// Sends close_notify and shuts our side of the socket down; the peer's bytes can still be read.
  public func shutdownWriting() {
    sayGoodbye()
    _ = shutdown(descriptor, Int32(SHUT_WR))
  }

  /// Reads and discards bytes that the peer still sends.
  public func discard() -> TransportOutcome {
    withUnsafeTemporaryAllocation(byteCount: 4_096, alignment: 1) { buffer in
      let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
      if count > 0 { return .count(count) }
      return count < 0 && (errno == EAGAIN || errno == EINTR) ? .wouldBlock : .closed
    }
  }

  /// Closes the socket, after a close_notify where one is still possible.
  public func close() {
    sayGoodbye()
    _ = Glibc.close(descriptor)
  }

  /// Sends close_notify once. A full socket loses it, which is harmless: HTTP/2 has an end of its own.
  private func sayGoodbye() {
    guard isUsable else { return }
    isUsable = false
    ERR_clear_error()
    SSL_shutdown(session.ssl)
  }
}
