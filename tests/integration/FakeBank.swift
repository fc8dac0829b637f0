import Bank
import Cards
import Money
import ProcessingDomain
import Runtime
import Values

/// A bank whose answers a test gives. It counts requests.
final class FakeBank: BankAsking {
  /// What becomes of a call; may wait.
  typealias Script = @Sendable (_ call: BankCall, _ id: UniqueID, _ number: Int) async -> BankAnswer

  private struct State {
    var free: Int
    var isOpen = true
    var waiters: [@Sendable () -> Void] = []
    var calls: [BankCall: [UniqueID: Int]] = [:]
    var most = 0
    var underWay = 0
    var digits: [UniqueID: Int] = [:]
    var order: [UniqueID] = []
    var refunded: [UniqueID: BankRefund] = [:]
  }
  private let state: Monitor<State>
  private let script: Script

  init(slots: Int, _ script: @escaping Script = { _, _, _ in .approved }) {
    state = Monitor(State(free: slots))
    self.script = script
  }

  /// Whether there are slots at all.
  /// - Parameter wakes: whether those who wait for slots hear of it at once.
  func setOpen(_ isOpen: Bool, wakes: Bool = true) {
    state.update { $0.isOpen = isOpen }
    if wakes { wake() }
  }

  /// How often it was asked.
  func count(_ call: BankCall, _ id: UniqueID) -> Int { state.withLock { $0.calls[call]?[id] ?? 0 } }
  /// How often each payment was asked to be charged.
  var charges: [UniqueID: Int] { state.withLock { $0.calls[.charge] ?? [:] } }
  /// What the bank was asked to give back under an id.
  func refunded(_ id: UniqueID) -> BankRefund? { state.withLock { $0.refunded[id] } }
  /// The payments that were asked about, call by call.
  var order: [UniqueID] { state.withLock { $0.order } }
  /// The most calls at a time.
  var mostUnderWay: Int { state.withLock { $0.most } }
  var underWay: Int { state.withLock { $0.underWay } }
  var free: Int { state.withLock { $0.free } }
  /// The digits of the card that a charge brought.
  func digits(_ id: UniqueID) -> Int? { state.withLock { $0.digits[id] } }

  func reserve(_ wanted: Int) -> Int {
    state.update { state in
      let got = state.isOpen ? min(wanted, state.free) : 0
      state.free -= got
      return got
    }
  }

  func release(_ slots: Int) {
    state.update { $0.free += slots }
    wake()
  }

  func whenFree(_ body: @escaping @Sendable () -> Void) {
    state.update { $0.waiters.append(body) }
    wake()
  }

  private func wake() {
    let waiters = state.update { state -> [@Sendable () -> Void] in
      guard state.isOpen, state.free > 0 else { return [] }
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter() }
  }

  func charge(_ charge: BankCharge, sendBy: Instant) async -> BankReply {
    if case .card(let card) = charge.source {
      let digits = card.withSecrets { number, _ in number.byteCount }
      state.update { $0.digits[charge.operationID] = digits }
    }
    return await call(.charge, charge.operationID)
  }

  func refund(_ refund: BankRefund, sendBy: Instant) async -> BankReply {
    state.update { $0.refunded[refund.operationID] = refund }
    return await call(.refund, refund.operationID)
  }

  func inquire(_ operationID: UniqueID, userID: UniqueID, amount: Money) async -> BankReply {
    await call(.inquire, operationID)
  }

  func reverse(_ operationID: UniqueID, userID: UniqueID, amount: Money) async -> BankReply {
    await call(.reverse, operationID)
  }

  private func call(_ call: BankCall, _ id: UniqueID) async -> BankReply {
    let number = state.update { state in
      state.calls[call, default: [:]][id, default: 0] += 1
      state.order.append(id)
      state.underWay += 1
      state.most = max(state.most, state.underWay)
      return state.calls[call]![id]!
    }
    let answer = await script(call, id, number)
    state.update { $0.underWay -= 1 }
    release(1)
    return BankReply(answer, "\(call) \(number)", token: answer == .approved ? "tok_\(id)" : nil)
  }
}

/// Something that tasks wait for.
final class Gate: Sendable {
  private let state = Monitor((isOpen: false, waiting: [CheckedContinuation<Void, Never>]()))

  func open() {
    let waiting = state.update { state in
      defer { state = (true, []) }
      return state.waiting
    }
    for continuation in waiting { continuation.resume() }
  }

  func pass() async {
    await withCheckedContinuation { continuation in
      let isOpen = state.update { state in
        if !state.isOpen { state.waiting.append(continuation) }
        return state.isOpen
      }
      if isOpen { continuation.resume() }
    }
  }
}
