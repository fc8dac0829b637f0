internal import GatewayDomain
internal import Money
internal import ProcessingStore
internal import RiskDomain
internal import RiskStore
internal import Values

/// What waits for a person: payments in review, and what contradicts the books.
struct QueuesView {
  let words: Words

  /// - Parameter form: of a payment's decision; nil for who may not decide.
  func review(
    _ payments: [GatewayPayment], _ decisions: [RiskDecisions.Entry], form: (GatewayPayment) -> HTML?
  ) -> HTML {
    let table = TableView(
      heads: [
        words("Waits since", "Ждёт с"), words("Amount", "Сумма"), words("Paid by", "Оплата"),
        words("Risk", "Риск"), words("Payment", "Платёж"), words("Decision", "Решение"),
      ], id: "review", heading: "list")
    let rows = payments.map { payment in
      table.row(
        payment.id.description,
        [
          .time(payment.standing.since), .money(payment.amount), PaymentListView(words: words).source(payment.source),
          risk(payment, decisions), "<a href=\"/payments/\(payment.id)\">\(HTML.id(payment.id))</a>",
          form(payment) ?? "\(words("needs the scope review", "нужно право review"))",
        ])
    }
    let none: HTML = payments.isEmpty ? "\(words("Nothing waits for a decision.", "Решения никто не ждёт."))" : .nothing
    return "\(table.table(rows))<p class=\"empty\" id=\"none\" data-part>\(none)</p>"
  }

  private func risk(_ payment: GatewayPayment, _ decisions: [RiskDecisions.Entry]) -> HTML {
    for case .decision(let stored) in decisions where stored.record.paymentID == payment.id {
      return "<strong>\(stored.record.decision.score)</strong> \(PaymentView.reasons(stored))"
    }
    return "–"
  }

  /// The buttons that decide about a payment in review.
  /// - Parameter back: the page to go back to; the payment's own unless given.
  func decisionForm(_ view: FormView, back: String? = nil) -> HTML {
    let back = back.map { back -> HTML in "<input type=\"hidden\" name=\"back\" value=\"\(back)\">" }
    return view.form(
      isInline: true,
      """
      \(back.orNothing)
      \(view.button(words("Approve", "Пропустить"), "good", sends: ("decision", "approve")))
      \(view.button(words("Decline", "Отклонить"), "bad", sends: ("decision", "decline")))
      """)
  }

  func exceptions(_ exceptions: [OpenException]) -> HTML {
    let table = TableView(
      heads: [
        words("Since", "С"), words("Kind", "Вид"), words("Found", "Найдено"), words("Amount", "Сумма"),
        words("Payment", "Платёж"),
      ], id: "exceptions", heading: "list")
    let rows = exceptions.map { exception in
      table.row(
        "\(exception.paymentID)-\(exception.kind)",
        [
          .time(exception.openedAt), "<code>\(exception.kind)</code>", "\(exception.detail ?? "")",
          exception.amount.map { HTML.money($0) }.orNothing,
          "<a href=\"/payments/\(exception.paymentID)\">\(HTML.id(exception.paymentID))</a>",
        ])
    }
    let none: HTML =
      exceptions.isEmpty ? "\(words("Nothing contradicts the books.", "Расхождений нет."))" : .nothing
    return "\(table.table(rows))<p class=\"empty\" id=\"none\" data-part>\(none)</p>"
  }
}
