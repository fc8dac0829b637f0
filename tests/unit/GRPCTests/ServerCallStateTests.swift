import Testing

@testable import GRPC

struct ServerCallStateTests {
  @Test(arguments: [ServerCallState.Kind.unary, .serverStreaming])
  func oneRequestIsDispatchedAtTheEnd(_ kind: ServerCallState.Kind) {
    var state = ServerCallState(kind)
    #expect(state.received() == .keep)
    #expect(state.receivedEnd(isInsideMessage: false) == .dispatch)
    #expect(state.send() == .headersThenMessage)
    #expect(state.send() == .message)
    #expect(state.finish() == .trailers)
    #expect(state.finish() == .ignore)
  }

  @Test func noneOrMoreThanOneRequestIsUnimplemented() {
    var none = ServerCallState(.unary)
    guard case .fail(let status) = none.receivedEnd(isInsideMessage: false) else {
      Issue.record("expected a failure")
      return
    }
    #expect(status.code == .unimplemented)
    var two = ServerCallState(.serverStreaming)
    _ = two.received()
    guard case .fail(let second) = two.received() else {
      Issue.record("expected a failure")
      return
    }
    #expect(second.code == .unimplemented)
  }

  @Test(arguments: [ServerCallState.Kind.clientStreaming, .bidirectional])
  func streamsDeliverAsTheyCome(_ kind: ServerCallState.Kind) {
    var state = ServerCallState(kind)
    #expect(state.received() == .deliver)
    #expect(state.received() == .deliver)
    #expect(state.receivedEnd(isInsideMessage: false) == .deliverEnd)
    #expect(state.finish() == .trailersOnly)
  }

  @Test(arguments: [ServerCallState.Kind.unary, .serverStreaming, .clientStreaming, .bidirectional])
  func aTruncatedRequestIsInternal(_ kind: ServerCallState.Kind) {
    var state = ServerCallState(kind)
    guard case .fail(let status) = state.receivedEnd(isInsideMessage: true) else {
      Issue.record("expected a failure")
      return
    }
    #expect(status.code == .internal)
  }

  @Test func whatComesAfterTheAnswerIsIgnored() {
    var state = ServerCallState(.bidirectional)
    #expect(state.sendHeaders() == true)
    #expect(state.sendHeaders() == false)
    #expect(state.finish() == .trailers)
    #expect(state.received() == .ignore)
    #expect(state.receivedEnd(isInsideMessage: true) == .ignore)
    #expect(state.send() == .ignore)
    #expect(state.sendHeaders() == false)
  }
}
