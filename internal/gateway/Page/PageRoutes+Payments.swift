internal import DirectDomain
internal import GatewayAPI
internal import GatewayDomain
internal import GatewayStore
internal import HTTPServer
internal import Money
internal import ProcessingDomain
internal import ProcessingStore
internal import Processor
internal import RiskStore
internal import Tracing
internal import Values

/// Payments: made, listed, looked at, and what people do about one.
extension PageRoutes {
  /// Fields of the form that are shown again; those of a card that are secret are not among them.
  private static let shownAgain = [
    "method", "expiry", "holder", "account", "account_id", "amount", "currency", "description", "user_id", "payee_id",
    "order_id",
  ]
  /// The most refunds whose transfers are shown.
  private static let mostRefunds = 100

  /// The most moments near which events are looked for.
  private static let mostMoments = 200

  func addPayments(to router: inout HTTPRouter) {
    handlers.get("/", .read, to: &router, or: refused) { call throws(PageFault) in
      try await paymentsPage(call, nil)
    }
    handlers.post("/pay", .pay, to: &router, or: paymentsPage(refusing:_:), pay)
    let one = "/payments/{id}"
    handlers.get(one, .read, to: &router, or: refused) { call throws(PageFault) in try await paymentPage(call, nil) }
    for (verb, scope, act) in [
      ("cancel", APIKeyScope.pay, cancel), ("review", .review, review), ("refund", .refund, refund),
    ] {
      handlers.post("\(one)/\(verb)", scope, to: &router, or: paymentPage(refusing:_:)) { call throws(PageFault) in
        let id = try await act(call)
        return PageFrame.redirect(to: (try? call.sent().text("back")) == "review" ? "/review" : "/payments/\(id)")
      }
    }
  }

  // MARK: - The list with the form

  private func paymentsPage(_ call: PageCall, _ fault: PageFault?) async throws(PageFault) -> HTTPResponse {
    let words = call.words
    let items = fault == nil ? call.request.query.items.map { ($0.name, $0.value) }.filter { !$0.1.isEmpty } : []
    let filter = try PageFault.reading { () throws(RequestFault) in try PaymentFilter(items) }
    let page = try await PageFault.stored { () async throws(GatewayStoreError) in
      try await sources.payments.list(filter, deadline: call.deadline)
    }
    let view = PaymentListView(words: words)
    let shown = PaymentListView.Filter(
      status: filter.state?.rawValue ?? "", userID: filter.userID?.description ?? "",
      orderID: filter.orderID?.description ?? "", isLaterPage: filter.after != nil)
    let title = words("Payments", "Платежи")
    let pay: HTML =
      call.visitor.may(.pay)
      ? """
      <section class="side" aria-labelledby="new"><h2 id="new">\(words("New payment", "Новый платёж"))</h2>
      \(view.paymentForm(paymentForm(call, fault), hasTestCards: hasTestCards))</section>
      """ : .nothing
    // An older page does not change.
    return frame(call, title, at: "/", live: shown.isLaterPage ? nil : "/live").response(
      fault?.status ?? 200,
      """
      <h1>\(title)</h1>
      <div class="columns">
      \(pay)
      <section aria-labelledby="list"><h2 id="list">\(words("All payments", "Все платежи"))</h2>
      \(view.filterForm(shown))
      \(view.list(page, shown))
      </section>
      </div>
      """)
  }

  /// The page with what is wrong in the form; without the list where that cannot be read.
  private func paymentsPage(refusing call: PageCall, _ fault: PageFault) async -> HTTPResponse {
    guard call.form != nil, call.visitor.may(.read) else { return refusal(call, fault) }
    return (try? await paymentsPage(call, fault)) ?? refusal(call, fault)
  }

  private func paymentForm(_ call: PageCall, _ fault: PageFault?) -> FormView {
    var view = form(call, "pay", "/pay")
    view.values = ["method": "card", "currency": "EUR", "user_id": call.visitor.session.visitor.description]
    guard let fault, let form = call.form else { return view }
    view.fault = fault
    for name in Self.shownAgain { view.values[name] = form.text(name) }
    // What may have been done is sent again under its key, and then has one effect.
    if fault.status >= 500, let key = form.text("key") { view.key = key }
    return view
  }

  private func pay(_ call: PageCall) async throws(PageFault) -> HTTPResponse {
    let key = try key(call, "pay")
    let form = PaymentForm(try call.sent())
    let body: [UInt8]
    do throws(PaymentForm.Fault) {
      body = try form.request(payer: call.visitor.session.visitor)
    } catch {
      throw PageFault(error)
    }
    defer { body.zeroInPlace() }
    let request = try PageFault.reading { () throws(RequestFault) in
      try PaymentRequest(body, rules: rules, now: .now())
    }
    let taken = try await PageFault.calling { () async throws(Fault) in
      try await sources.desk.take(
        request,
        PaymentCall(
          key: key, apiKeyID: call.visitor.key?.id, traceparent: call.request.trace?.traceparent,
          deadline: call.deadline))
    }
    return PageFrame.redirect(to: "/payments/\(taken.paymentID)")
  }

  // MARK: - One payment

  private func paymentPage(_ call: PageCall, _ fault: PageFault?) async throws(PageFault) -> HTTPResponse {
    let id = try call.id()
    let payment = try await self.payment(id, call)
    let timeline = try await timeline(of: payment, call)
    let words = call.words
    // What the bank said in words is for who decides about payments.
    let view = PaymentView(words: words, payment: payment, showsBankWords: call.visitor.may(.review))
    let problem = fault.map { fault -> HTML in
      "<p class=\"problem\" role=\"alert\">\(words.problem(fault.code, fault.detail))</p>"
    }
    let title = "\(words("Payment", "Платёж")) \(payment.amount)"
    var frame = frame(call, title, live: payment.standing.state.isFinal ? nil : "/live?payment=\(id)")
    // Refunds have no stream.
    frame.looksAgain = timeline.hasOpenRefund
    return frame.response(
      fault?.status ?? 200,
      """
      <p class="up"><a href="/">← \(words("Payments", "Платежи"))</a></p>
      <h1>\(title)</h1>
      \(problem.orNothing)
      \(view.facts)
      <div class="actions" id="actions" data-part>\(actions(call, payment))</div>
      <h2>\(words("What happened", "Что произошло"))</h2>
      \(view.timeline(timeline))
      """)
  }

  private func paymentPage(refusing call: PageCall, _ fault: PageFault) async -> HTTPResponse {
    guard call.form != nil, call.visitor.may(.read) else { return refusal(call, fault) }
    return (try? await paymentPage(call, fault)) ?? refusal(call, fault)
  }

  func payment(_ id: UniqueID, _ call: PageCall) async throws(PageFault) -> GatewayPayment {
    try await PageFault.calling { () async throws(Fault) in
      try await sources.desk.payment(id, deadline: call.deadline)
    }
  }

  private func timeline(of payment: GatewayPayment, _ call: PageCall) async throws(PageFault) -> Timeline {
    let (id, deadline) = (payment.id, call.deadline)
    let states = try await PageFault.stored { () async throws(GatewayStoreError) in
      try await sources.payments.history(id, deadline: deadline)
    }
    return try await PageFault.asking { () async throws(StoreTrouble) in
      let trail = try await sources.trails.trail(of: id, deadline: deadline)
      let moved = [id] + trail.refunds.prefix(Self.mostRefunds).map(\.id)
      let transfers = try await sources.insight.transfers(of: moved, deadline: deadline)
      let decisions = try await sources.insight.decisions([id], deadline: deadline)
      var decision: StoredDecision?
      if case .decision(let stored)? = decisions.first { decision = stored }
      let deliveries = try await sources.insight.deliveries(of: id, deadline: deadline)
      let timeline = Timeline(
        states: states, decision: decision, transfers: transfers, trail: trail, deliveries: deliveries)
      let messages = try await sources.insight.messages(
        of: id, refunds: Array(moved.dropFirst()), near: timeline.entries.suffix(Self.mostMoments).map(\.at),
        deadline: deadline)
      return timeline.adding(messages)
    }
  }

  /// What the visitor may do about the payment as it is.
  private func actions(_ call: PageCall, _ payment: GatewayPayment) -> HTML {
    let words = call.words
    let path = "/payments/\(payment.id)"
    var forms: [HTML] = []
    switch payment.standing.state {
    case .created, .processing, .review:
      if payment.standing.state == .review, call.visitor.may(.review) {
        forms.append(QueuesView(words: words).decisionForm(form(call, "decide", "\(path)/review")))
      }
      if call.visitor.may(.pay) {
        let cancel = form(call, "cancel", "\(path)/cancel")
        forms.append(cancel.form(isInline: true, cancel.button(words("Cancel", "Отменить"), "bad")))
      }
    case .completed where call.visitor.may(.refund):
      let refund = form(call, "refund", "\(path)/refund")
      let amount = refund.field(
        "amount", words("Give back", "Вернуть"), "inputmode=\"decimal\" maxlength=\"30\"",
        hint: words("empty: all that is left", "пусто: всё, что осталось"))
      let reason = refund.field("reason", words("Reason", "Причина"), "maxlength=\"500\" autocomplete=\"off\"")
      let button = refund.button(words("Refund", "Вернуть деньги"), "plain")
      forms.append(refund.form(isInline: true, "\(amount)\(reason)\(button)"))
    case .completed, .unknown, .rejected, .error: break
    }
    return .all(forms)
  }

  // MARK: - What people do about a payment

  private func cancel(_ call: PageCall) async throws(PageFault) -> UniqueID {
    let payment = try await payment(try call.id(), call)
    try Self.check(
      await sources.processor.cancel(PaymentTerms(payment), by: call.visitor.name, deadline: call.deadline))
    return payment.id
  }

  private func review(_ call: PageCall) async throws(PageFault) -> UniqueID {
    let id = try call.id()
    let decision = try call.sent().text("decision")
    guard decision == "approve" || decision == "decline" else { throw .unreadable }
    try Self.check(
      await sources.processor.review(
        id, approves: decision == "approve", by: call.visitor.name, deadline: call.deadline))
    return id
  }

  private func refund(_ call: PageCall) async throws(PageFault) -> UniqueID {
    let payment = try await payment(try call.id(), call)
    let form = try call.sent()
    let amount: Int64?
    do throws(PaymentForm.Fault) {
      amount = try PaymentForm.minorUnits(form.text("amount"), payment.amount.currency.code)
    } catch {
      throw PageFault(error)
    }
    let body = JSONWriter.object { object in
      if let amount { object.add("amount", amount) }
      if let reason = form.text("reason") { object.add("reason", reason) }
    }
    let wanted = try PageFault.reading { () throws(RequestFault) in try RefundRequest(body) }
    let order = RefundOrder(
      id: AccountRoutes.id(of: try key(call, "refund")), origin: RefundOrigin(of: payment.id, cause: .caller),
      amount: wanted.amount)
    let answer = await sources.processor.refund(
      NewRefund(order, note: wanted.reason, requester: call.visitor.name), deadline: call.deadline)
    try PageFault.check(answer)
    return payment.id
  }

  private static func check(_ answer: PaymentAnswer) throws(PageFault) {
    switch answer {
    case .done: return
    case .refused(let refusal): throw PageFault(409, refusal.rawValue)
    case .missing: throw PageFault(409, StepRefusal.notInReview.rawValue)
    case .faulty(let cause): throw PageFault(500, "internal_error", cause: cause)
    case .unavailable(let mayHaveHappened):
      throw PageFault(503, mayHaveHappened ? "outcome_unknown" : "database_unavailable")
    }
  }
}

extension PageFault {
  fileprivate static func check(_ answer: RefundAnswer) throws(PageFault) {
    switch answer {
    case .done: return
    case .refused(let refusal): throw PageFault(409, refusal.rawValue)
    case .differs: throw PageFault(422, "idempotency_key_reused")
    case .missing: throw PageFault(409, RefundRefusal.notRefundable.rawValue)
    case .faulty(let cause): throw PageFault(500, "internal_error", cause: cause)
    case .unavailable(let mayHaveHappened):
      throw PageFault(503, mayHaveHappened ? "outcome_unknown" : "database_unavailable")
    }
  }
}
