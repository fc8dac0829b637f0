internal import GatewayDomain
internal import Idempotency
internal import Outbox
internal import Values

/// A payment that is to be taken in, with everything that is known before the transaction, so that its thread has
/// little to do. An object, since batches pass it on.
final class IntakeCall: Sendable {
  let payment: GatewayPayment
  /// The answer to it.
  let response: KeptResponse
  /// The caller's key; of a call without one a key of its own, so that every call is one that can be repeated.
  let key: ScopedKey
  let digest: RequestDigest
  /// What is kept under the caller's key; nil without one.
  let kept: KeptAnswer?
  /// For the processor, of all but a card, and for readers of the payment's surface; by ascending number.
  let events: [NewEvent]

  /// - Parameter key: the caller's.
  init(_ payment: GatewayPayment, key: ScopedKey?, digest: RequestDigest, events: [NewEvent]) {
    let response = KeptResponse(status: 201, body: payment.json(), paymentID: payment.id)
    self.payment = payment
    self.response = response
    self.key = key ?? ScopedKey(scope: "", text: payment.id.description)
    self.digest = digest
    self.events = events
    kept = key.map { KeptAnswer(key: $0, fingerprint: digest.fingerprint, answer: response.write()) }
  }
}

/// An external id within the API key that it belongs to; callers without one share theirs.
struct ExternalName: Sendable, Hashable {
  let apiKeyID: UniqueID
  let text: String

  /// - Returns: nil for a payment that has none.
  init?(_ payment: GatewayPayment) {
    guard let text = payment.externalID else { return nil }
    apiKeyID = payment.apiKeyID ?? UniqueID(high: 0, low: 0)
    self.text = text
  }
}

/// What became of a call.
enum IntakeOutcome: Sendable, Hashable {
  /// The call's payment was taken in.
  case created
  /// An earlier call with the same key was answered so.
  case replayed(KeptResponse)
}

/// Taking in many payments at once, as if the calls came one after another. Pure; the caller holds the keys' locks.
struct IntakeBatch: Sendable {
  typealias Result = Swift.Result<IntakeOutcome, GatewayStoreError>

  private enum Step {
    case decided(Result)
    case execute
    /// It has the key of an earlier call of the batch, at this place, that is to be executed.
    case follow(Int)
  }

  private let calls: [IntakeCall]
  private var steps: [Step]
  /// The orders of payments that were refused once these were claimed.
  private(set) var ordersToFree: [(orderID: Int64, paymentID: UniqueID)] = []

  /// - Parameters:
  ///   - findings: what is known of the calls' keys.
  ///   - own: payments of the calls that an earlier run of theirs has taken in.
  init(_ calls: [IntakeCall], _ findings: KeyFindings, own: Set<UniqueID> = []) {
    self.calls = calls
    var firsts: [ScopedKey: Int] = [:]
    steps = []
    steps.reserveCapacity(calls.count)
    for (index, call) in calls.enumerated() {
      if own.contains(call.payment.id) {
        steps.append(.decided(.success(.created)))
      } else if findings.inFlight.contains(call.key) {
        steps.append(.decided(.failure(.keyInFlight)))
      } else if let kept = findings.answers[call.key] {
        steps.append(.decided(call.repeated(kept)))
      } else if let first = firsts[call.key] {
        steps.append(.follow(first))
      } else {
        firsts[call.key] = index
        steps.append(.execute)
      }
    }
    refuseSecondsOfAnOrder()
  }

  /// Of several payments for an order the first one is taken in.
  private mutating func refuseSecondsOfAnOrder() {
    var seen: Set<Int64> = []
    for (index, call) in calls.enumerated() {
      guard case .execute = steps[index], let order = call.payment.orderID else { continue }
      if !seen.insert(order).inserted { steps[index] = .decided(.failure(.orderPaymentExists)) }
    }
  }

  /// The payments that need their order, by ascending order: the order of locks.
  var claims: [(orderID: Int64, paymentID: UniqueID)] {
    executed.compactMap { call in call.payment.orderID.map { ($0, call.payment.id) } }.sorted { $0.0 < $1.0 }
  }

  /// - Parameter orders: those of `claims` that were free, and now belong to the payments.
  mutating func claimed(_ orders: Set<Int64>) {
    for (index, call) in calls.enumerated() {
      guard case .execute = steps[index], let order = call.payment.orderID, !orders.contains(order) else { continue }
      steps[index] = .decided(.failure(.orderPaymentExists))
    }
  }

  /// The external ids that payments need, of those for one id the first payment's; the others are refused. To be called
  /// once, after `claimed`.
  mutating func takeNames() -> [(name: ExternalName, paymentID: UniqueID)] {
    var first: [ExternalName: UniqueID] = [:]
    var names: [(name: ExternalName, paymentID: UniqueID)] = []
    for (index, call) in calls.enumerated() {
      guard case .execute = steps[index], let name = ExternalName(call.payment) else { continue }
      if let owner = first[name] {
        refuse(index, owner)
      } else {
        first[name] = call.payment.id
        names.append((name, call.payment.id))
      }
    }
    return names
  }

  /// - Parameter owners: the payments that have the external ids, by the payment that needs one.
  mutating func named(_ owners: [UniqueID: UniqueID]) {
    for (index, call) in calls.enumerated() {
      let id = call.payment.id
      if case .execute = steps[index] {
        if let owner = owners[id], owner != id { refuse(index, owner) }
      } else if case .decided(.failure(let error)) = steps[index], case .externalIDExists(let first) = error.code,
        let owner = owners[first]
      {
        // The first of the batch was not the first of all.
        steps[index] = .decided(.failure(.externalIDExists(owner)))
      }
    }
  }

  private mutating func refuse(_ index: Int, _ owner: UniqueID) {
    steps[index] = .decided(.failure(.externalIDExists(owner)))
    let payment = calls[index].payment
    if let order = payment.orderID { ordersToFree.append((order, payment.id)) }
  }

  /// The calls whose payments are to be written.
  var executed: [IntakeCall] {
    zip(calls, steps).compactMap { call, step in if case .execute = step { call } else { nil } }
  }

  /// The outcome of each call once `executed` are written, in order.
  var outcomes: [Result] {
    var outcomes: [Result] = []
    outcomes.reserveCapacity(calls.count)
    for (call, step) in zip(calls, steps) {
      switch step {
      case .decided(let outcome): outcomes.append(outcome)
      case .execute: outcomes.append(.success(.created))
      case .follow(let first): outcomes.append(follow(call, calls[first], outcomes[first]))
      }
    }
    return outcomes
  }

  /// The second use of a key within the batch.
  private func follow(_ call: IntakeCall, _ first: IntakeCall, _ outcome: Result) -> Result {
    let isSame = call.digest.matches(first.digest.fingerprint)
    switch outcome {
    case .success: return isSame ? .success(.replayed(first.response)) : .failure(.keyReused)
    // The key is free again, but another request was not executed.
    case .failure: return isSame ? outcome : .failure(.keyInFlight)
    }
  }
}

extension IntakeCall {
  /// What a call is told whose key was used before.
  fileprivate func repeated(_ kept: KeptAnswer) -> IntakeBatch.Result {
    guard digest.matches(kept.fingerprint) else { return .failure(.keyReused) }
    do throws(GatewayStoreError) {
      return .success(.replayed(try KeptResponse(reading: kept.answer)))
    } catch {
      return .failure(error)
    }
  }
}
