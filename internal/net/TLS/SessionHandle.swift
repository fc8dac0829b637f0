internal import COpenSSL
internal import Glibc

/// One `SSL` over a socket that it does not own, with a BIO of ours: `recv` and `send` without SIGPIPE, and a budget of
/// bytes to receive.
struct SessionHandle: ~Copyable {
  /// The socket's state for the callbacks of the BIO.
  struct Socket {
    let descriptor: Int32
    /// Bytes that may still be received in this call; at zero the socket appears empty.
    var budget = 0
  }

  let ssl: OpaquePointer
  private let socket: UnsafeMutablePointer<Socket>

  /// Takes over `ssl`.
  /// - Throws: `.outOfMemory`; `ssl` is freed then.
  init(_ ssl: OpaquePointer, _ descriptor: Int32) throws(TLSError) {
    guard let bio = BIO_new(socketMethod.pointer) else {
      SSL_free(ssl)
      throw TLSError(.outOfMemory, "OpenSSL could not make a BIO: \(takeOpenSSLReason())")
    }
    self.ssl = ssl
    socket = .allocate(capacity: 1)
    socket.initialize(to: Socket(descriptor: descriptor))
    BIO_set_data(bio, socket)
    BIO_set_init(bio, 1)
    // The session frees the BIO, one reference for both directions.
    SSL_set_bio(ssl, bio, bio)
  }

  deinit {
    SSL_free(ssl)
    socket.deallocate()
  }

  func allow(receiving bytes: Int) { socket.pointee.budget = bytes }
}

/// The BIO's functions, made once and never freed.
private struct SocketMethod: @unchecked Sendable {
  // @unchecked: written here only, read by OpenSSL afterwards.
  let pointer: OpaquePointer?

  init() {
    pointer = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket with a budget")
    BIO_meth_set_read(pointer, receive)
    BIO_meth_set_write(pointer, transmit)
    BIO_meth_set_ctrl(pointer, control)
  }
}

private let socketMethod = SocketMethod()

private func socket(_ bio: OpaquePointer?) -> UnsafeMutablePointer<SessionHandle.Socket> {
  // Set by `SessionHandle.init`; it lives as long as the session.
  BIO_get_data(bio)!.assumingMemoryBound(to: SessionHandle.Socket.self)
}

private func receive(_ bio: OpaquePointer?, _ bytes: UnsafeMutablePointer<CChar>?, _ count: Int32) -> Int32 {
  let socket = socket(bio)
  BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY)
  let room = min(Int(count), socket.pointee.budget)
  let outcome = room > 0 ? recv(socket.pointee.descriptor, bytes, room, 0) : -1
  if outcome > 0 {
    socket.pointee.budget -= outcome
  } else if outcome < 0, room <= 0 || errno == EAGAIN || errno == EINTR {
    BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
  }
  return Int32(outcome)
}

private func transmit(_ bio: OpaquePointer?, _ bytes: UnsafePointer<CChar>?, _ count: Int32) -> Int32 {
  BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY)
  let outcome = send(socket(bio).pointee.descriptor, bytes, Int(count), Int32(MSG_NOSIGNAL))
  if outcome < 0, errno == EAGAIN || errno == EINTR {
    BIO_set_flags(bio, BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY)
  }
  return Int32(outcome)
}

private func control(
  _ bio: OpaquePointer?, _ command: Int32, _ number: Int, _ pointer: UnsafeMutableRawPointer?
) -> Int {
  // Everything is sent at once, so a flush has nothing to do; nothing else is supported.
  command == BIO_CTRL_FLUSH ? 1 : 0
}
