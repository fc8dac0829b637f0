internal import DirectDomain
internal import GatewayAPI
internal import GatewayDomain
internal import GatewayStore
internal import HTTPServer
internal import Values

/// What waits for operators: reviews, exceptions, and what is on its way to the brokers.
extension PageRoutes {
  /// The most rows of a queue.
  private static let most = 100

  func addQueues(to router: inout HTTPRouter) {
    handlers.get("/review", .read, to: &router, or: refused) { call throws(PageFault) in try await reviewPage(call) }
    handlers.get("/exceptions", .read, to: &router, or: refused) { call throws(PageFault) in
      try await exceptionsPage(call)
    }
    handlers.get("/dead-letters", .read, to: &router, or: refused) { call throws(PageFault) in
      try await deadLettersPage(call, nil)
    }
    handlers.post("/dead-letters/{id}", .review, to: &router, or: deadLettersPage(refusing:_:), decideLetter)
    handlers.get("/outbox", .read, to: &router, or: refused) { call throws(PageFault) in try await outboxPage(call) }
  }

  private func reviewPage(_ call: PageCall) async throws(PageFault) -> HTTPResponse {
    var filter = PaymentFilter()
    filter.state = .review
    filter.limit = Self.most
    let page = try await PageFault.stored { () async throws(GatewayStoreError) in
      try await sources.payments.list(filter, deadline: call.deadline)
    }
    let decisions = try await PageFault.asking { () async throws(StoreTrouble) in
      try await sources.insight.decisions(page.payments.map(\.id), deadline: call.deadline)
    }
    let view = QueuesView(words: call.words)
    let mayDecide = call.visitor.may(.review)
    let title = call.words("Review", "Проверка")
    let table = view.review(page.payments, decisions) { payment in
      guard mayDecide else { return nil }
      return view.decisionForm(form(call, "decide-\(payment.id)", "/payments/\(payment.id)/review"), back: "review")
    }
    return frame(call, title, at: "/review", live: "/live").response(
      200, "<h1 id=\"list\">\(title)</h1>\(table)")
  }

  private func exceptionsPage(_ call: PageCall) async throws(PageFault) -> HTTPResponse {
    let exceptions = try await PageFault.asking { () async throws(StoreTrouble) in
      try await sources.insight.exceptions(limit: Self.most, deadline: call.deadline)
    }
    let title = call.words("Exceptions", "Расхождения")
    let advice = call.words(
      "What contradicts the books, oldest first. `paysaga exceptions show ID` says what to do, `paysaga exceptions close`"
        + " ends one.",
      "Что противоречит книгам, сначала старое. `paysaga exceptions show ID` говорит, что делать, `paysaga exceptions"
        + " close` закрывает.")
    return frame(call, title, at: "/exceptions", live: "/live").response(
      200, "<h1 id=\"list\">\(title)</h1><p>\(advice)</p>\(QueuesView(words: call.words).exceptions(exceptions))")
  }

  // MARK: - Dead letters

  private func deadLettersPage(_ call: PageCall, _ fault: PageFault?) async throws(PageFault) -> HTTPResponse {
    let letters = try await PageFault.asking { () async throws(StoreTrouble) in
      try await sources.insight.deadLetters(limit: Self.most, deadline: call.deadline)
    }
    let view = DeadLettersView(words: call.words)
    let mayDecide = call.visitor.may(.review)
    let title = call.words("Dead letters", "Мёртвые письма")
    let advice = call.words(
      "Messages between gateway and processor that could not be used. Mend the cause, then send them again; what is"
        + " discarded is gone.",
      "Сообщения между шлюзом и обработчиком, которые не удалось использовать. Устраните причину и отправьте снова;"
        + " выброшенное не вернуть.")
    let problem = fault.map { fault -> HTML in
      "<p class=\"problem\" role=\"alert\">\(call.words.problem(fault.code, fault.detail))</p>"
    }
    let table = view.list(letters) { letter in
      mayDecide ? view.decisionForm(form(call, "letter-\(letter.id)", "/dead-letters/\(letter.id)")) : nil
    }
    var frame = frame(call, title, at: "/dead-letters")
    frame.looksAgain = true
    return frame.response(
      fault?.status ?? 200, "<h1 id=\"list\">\(title)</h1><p>\(advice)</p>\(problem.orNothing)\(table)")
  }

  private func deadLettersPage(refusing call: PageCall, _ fault: PageFault) async -> HTTPResponse {
    guard call.form != nil, call.visitor.may(.read) else { return refusal(call, fault) }
    return (try? await deadLettersPage(call, fault)) ?? refusal(call, fault)
  }

  private func decideLetter(_ call: PageCall) async throws(PageFault) -> HTTPResponse {
    let decision = try call.sent().text("decision").flatMap { DeadLetterDecision(rawValue: $0) }
    guard let decision, let id = call.request.parameters["id"].flatMap({ Int64($0) }) else { throw .unreadable }
    let isDone = try await PageFault.asking { () async throws(StoreTrouble) in
      try await sources.insight.decide(id, decision, by: call.visitor.name, deadline: call.deadline)
    }
    guard isDone else { throw PageFault(409, "letter_gone") }
    return PageFrame.redirect(to: "/dead-letters")
  }

  private func outboxPage(_ call: PageCall) async throws(PageFault) -> HTTPResponse {
    let reports = try await PageFault.asking { () async throws(StoreTrouble) in
      try await sources.insight.outboxes(deadline: call.deadline)
    }
    let title = call.words("Outbox", "Исходящие")
    let view = OutboxView(words: call.words)
    return frame(call, title, at: "/outbox", live: "/live").response(
      200, "<h1>\(title)</h1>\(reports.map(view.report))")
  }
}
