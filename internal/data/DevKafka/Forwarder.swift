import Glibc

/// Carries bytes both ways between a client and the mock's own port until either side ends.
func forward(_ client: Int32, to target: Endpoint) {
  guard let server = target.connected() else { return }
  defer { close(server) }
  var on: Int32 = 1
  for socket in [client, server] {
    setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
  }
  var buffer = [UInt8](repeating: 0, count: 64 << 10)
  var polled = [
    pollfd(fd: client, events: Int16(POLLIN), revents: 0), pollfd(fd: server, events: Int16(POLLIN), revents: 0),
  ]
  while true {
    if poll(&polled, 2, -1) < 0 {
      if errno == EINTR { continue }
      return
    }
    if polled[0].revents != 0, !copySome(client, server, &buffer) { return }
    if polled[1].revents != 0, !copySome(server, client, &buffer) { return }
  }
}

/// Copies what one read gives.
/// - Returns: false at the end or on an error.
private func copySome(_ source: Int32, _ target: Int32, _ buffer: inout [UInt8]) -> Bool {
  let count = read(source, &buffer, buffer.count)
  if count <= 0 { return count < 0 && errno == EINTR }
  return writeAll(target, buffer[..<count])
}

/// Writes all bytes.
/// - Returns: false when the other side is gone.
func writeAll(_ socket: Int32, _ bytes: ArraySlice<UInt8>) -> Bool {
  bytes.withUnsafeBytes { bytes in
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = write(socket, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)  // SIGPIPE is ignored
      if count < 0 {
        if errno == EINTR { continue }
        return false
      }
      rest = rest.dropFirst(count)
    }
    return true
  }
}
