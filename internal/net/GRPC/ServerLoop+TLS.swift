internal import HTTP2
internal import Logger
internal import Metrics
internal import TLS

/// A server's TLS and its counters.
final class ServerTLS: Sendable {
  let context: TLSServerContext
  let succeeded: Counter
  let refused: Counter
  let late: Counter
  let displaced: Counter

  init(_ context: TLSServerContext, _ metrics: MetricsRegistry) {
    self.context = context
    let counter = { (outcome: String) in
      metrics.counter(
        "grpc_server_tls_handshakes_total",
        help: "TLS handshakes: ok, refused, late, or displaced by newer ones.", labels: ["outcome": outcome])
    }
    succeeded = counter("ok")
    refused = counter("refused")
    late = counter("late")
    displaced = counter("displaced")
    metrics.gauge("grpc_server_tls_certificate_end_seconds", help: "When the certificate runs out, Unix time.") {
      Double(context.certificateEnd ?? 0)
    }
  }
}

/// From an accepted socket to a connection with TLS; on the loop's thread.
extension ServerLoop {
  func beginHandshake(_ tls: ServerTLS, _ descriptor: Int32, _ address: String, _ account: PeerAccount) {
    do throws(TLSError) {
      let stream = try tls.context.accept(descriptor)
      if handshakes.count >= configuration.maxHandshakes, let oldest = handshakes.first { oldest.cancel() }
      let handshake = TLSHandshake(stream, loop: loop, timeout: configuration.http2.handshakeTimeout) {
        [unowned self] handshake, result in handshakeFinished(handshake, tls, result, address, account)
      }
      handshakes.append(handshake)
    } catch {
      totals.connectionClosed(account)
      logger.error("cannot serve a connection", ["error": .error(error)])
    }
  }

  private func handshakeFinished(
    _ handshake: TLSHandshake, _ tls: ServerTLS, _ result: Result<TLSStream, TLSHandshakeFailure>, _ address: String,
    _ account: PeerAccount
  ) {
    handshakes.removeAll { $0 === handshake }
    switch result {
    case .success(let stream):
      tls.succeeded.add()
      return serve(.tls(stream), ServerPeer(address: address, account: account, certificate: stream.peer))
    case .failure(.refused(let error)):
      tls.refused.add()
      logger.warning("no TLS", ["peer": .string(address), "error": .error(error)])
    case .failure(.late): tls.late.add()
    case .failure(.cancelled): if !isDraining { tls.displaced.add() }
    }
    totals.connectionClosed(account)
  }
}
