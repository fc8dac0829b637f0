internal import DirectDomain
internal import GatewayDomain
internal import LedgerDomain
internal import Money
internal import ProcessingDomain
internal import ProcessingStore
internal import RiskDomain
internal import RiskStore
internal import Values

/// One payment with its history.
struct PaymentView {
  let words: Words
  let payment: GatewayPayment
  let showsBankWords: Bool

  // MARK: - What it is

  var facts: HTML {
    let paysBy = PaymentListView(words: words).source(payment.source)
    let none: HTML = "–"
    let reason = payment.standing.reason.map { reason -> HTML in
      " <span>\(words.reason(reason, in: payment.standing.state))</span> <code>\(reason.rawValue)</code>"
    }
    let facts: [(String, HTML)] = [
      (words("State", "Состояние"), "\(HTML.state(payment.standing.state, words))\(reason.orNothing)"),
      (words("Amount", "Сумма"), .money(payment.amount)),
      (words("Paid by", "Оплата"), paysBy),
      (words("Description", "Назначение"), payment.description.map { "\($0)" } ?? none),
      (words("Payer", "Плательщик"), link("/?user_id=", payment.userID)),
      (words("Payee", "Получатель"), link("/accounts?user_id=", payment.payeeID)),
      (words("Order", "Заказ"), payment.orderID.map(orderLink) ?? none),
      (words("Caller's id", "Номер у магазина"), payment.externalID.map { "<code>\($0)</code>" } ?? none),
      (words("Created", "Создан"), .time(payment.createdAt)),
      (words("Id", "UUID"), .id(payment.id)),
    ]
    let rows = facts.map { fact -> HTML in "<div><dt>\(fact.0)</dt><dd>\(fact.1)</dd></div>" }
    let say = "\(payment.amount): \(words.state(payment.standing.state))"
    return "<dl class=\"facts\" id=\"facts\" data-part data-say=\"\(say)\">\(rows)</dl>"
  }

  /// To the payments of the order.
  private func orderLink(_ order: Int64) -> HTML { "<a href=\"/?order_id=\(order)\">\(order)</a>" }

  private func link(_ path: String, _ id: UniqueID) -> HTML { "<a href=\"\(path)\(id)\">\(HTML.id(id))</a>" }

  // MARK: - What happened

  func timeline(_ timeline: Timeline) -> HTML {
    let entries = timeline.entries.map { entry -> HTML in
      let (sign, title, detail) = shown(entry.happening)
      let more: HTML = detail == .nothing ? .nothing : "<div class=\"detail\">\(detail)</div>"
      return """
        <li class="\(sign)"><p class="when">\(HTML.time(entry.at))</p><p class="what">\(title)</p>\(more)</li>

        """
    }
    return "<ol class=\"timeline\" id=\"timeline\" data-part>\(entries)</ol>"
  }

  private func shown(_ happening: Timeline.Happening) -> (sign: HTML, title: HTML, detail: HTML) {
    switch happening {
    case .state(let standing, let requester):
      let reason = standing.reason.map { reason -> HTML in
        "\(words.reason(reason, in: standing.state)) <code>\(reason.rawValue)</code> "
      }
      let isOver = standing.version < payment.standing.version
      return ("at-state", .state(standing.state, words, isOver: isOver), "\(reason.orNothing)\(by(requester))")
    case .decided(let decision): return ("at-risk", verdict(decision), Self.reasons(decision))
    case .moved(let transfer): return ("at-ledger", movement(transfer), between(transfer))
    case .asked(let attempt):
      let title = words("The bank is asked", "Банк спрошен")
      return ("at-bank", "\(title): \(call(attempt.call))", ofRefund(attempt.operationID))
    case .answered(let attempt):
      let title = words("The bank answers", "Банк ответил")
      let said = showsBankWords ? attempt.detail ?? "" : ""
      return ("at-bank", "\(title): <code>\(attempt.answer ?? "")</code>", "\(said)")
    case .refunded(let refund):
      let state = PaymentState(rawValue: refund.state).map { HTML.state($0, words) } ?? "\(refund.state)"
      return (
        "at-refund", "\(words("Refund", "Возврат")) \(HTML.money(refund.amount))",
        "\(state) <code>\(refund.cause)</code> \(HTML.id(refund.id)) \(by(refund.requester))"
      )
    case .contradicted(let exception):
      let title = words("Contradicts the books", "Расхождение")
      return ("at-exception", "\(title): <code>\(exception.kind)</code>", "\(exception.detail ?? "")")
    case .seenTo(let exception):
      let title = words("Seen to by", "Разобрано:")
      return ("at-exception", "\(title) \(exception.closedBy ?? "")", "\(exception.note ?? "")")
    case .told(let delivery): return ("at-webhook", told(delivery), "\(HTML.id(delivery.endpointID))")
    case .message(let entry): return ("at-message", "\(part(entry)): <code>\(entry.what)</code>", fields(entry))
    }
  }

  /// Who asked for something; nothing where that is not known.
  private func by(_ requester: String?) -> HTML {
    requester.map { requester -> HTML in "<span>\(words("by", "кто:")) \(requester)</span>" }.orNothing
  }

  private func part(_ entry: Story.Entry) -> String {
    switch entry.part {
    case "event": words("Event", "Событие")
    case "dead letter": words("Dead letter", "Мёртвое письмо")
    case "operation": words("Operation", "Действие")
    default: entry.part
    }
  }

  /// What is known of a message; that it is the payment's goes without saying.
  private func fields(_ entry: Story.Entry) -> HTML {
    .all(
      entry.fields.filter { $0.name != "direct_payment" }.map { field in
        let value: HTML =
          switch field.value {
          case .text(let text): "<code>\(text)</code>"
          case .number(let number): "\(number)"
          case .time(let time): .time(time)
          case .uuid(let id): .id(id)
          }
        return "<span>\(field.name) \(value)</span> "
      })
  }

  private func told(_ delivery: WebhookDelivery) -> HTML {
    let outcome: HTML =
      switch delivery.outcome {
      case .pending(let due): "\(words("waits; next attempt", "ждёт; следующая попытка")) \(HTML.time(due))"
      case .delivered: "\(words("delivered", "доставлен"))"
      case .failed(let failure, _): "\(words("given up", "не доставлен")) <code>\(failure.rawValue)</code>"
      }
    let attempts = words("attempts: \(delivery.attempts)", "попыток: \(delivery.attempts)")
    return "\(words("Webhook", "Вебхук")) <code>\(delivery.event.type)</code>: \(outcome), \(attempts)"
  }

  private func verdict(_ stored: StoredDecision) -> HTML {
    let decision = stored.record.decision
    let verdict =
      switch decision.verdict {
      case .allow: words("allowed", "разрешено")
      case .review: words("for a person to decide", "решает человек")
      case .block: words("blocked", "заблокировано")
      }
    let score = words("Risk \(decision.score) of 99", "Риск \(decision.score) из 99")
    return "\(score): \(verdict)"
  }

  static func reasons(_ stored: StoredDecision) -> HTML {
    .all(stored.record.decision.reasons.map { "<code>\($0)</code> " })
  }

  private func movement(_ transfer: Transfer) -> HTML {
    let title =
      switch transfer.kind {
      case .single: words("Moved", "Переведено")
      case .pending: words("Held", "Зарезервировано")
      case .post: words("Posted", "Проведено")
      case .void: words("Given back", "Резерв снят")
      }
    return "\(title) \(HTML.money(transfer.amount))"
  }

  private func between(_ transfer: Transfer) -> HTML {
    let (debit, credit) = (transfer.debit, transfer.credit)
    let currency = transfer.amount.currency
    return "\(account(debit, currency)) → \(account(credit, currency))"
  }

  /// An account by what it is for where it is ours, by its id where it is a user's.
  private func account(_ id: UniqueID, _ currency: Currency) -> HTML {
    switch id {
    case LedgerAccount.ours(.clearing, currency).id: "\(words("clearing", "расчёты с банком"))"
    case LedgerAccount.ours(.world, currency).id: "\(words("outside", "внешний мир"))"
    case LedgerAccount.ours(.suspense, currency).id: "\(words("suspense", "невыясненное"))"
    case LedgerAccount.ours(.fees, currency).id: "\(words("fees", "комиссии"))"
    default: "<a href=\"/accounts/\(id)\"><code>…\(String(id.description.suffix(12)))</code></a>"
    }
  }

  private func call(_ name: String) -> String {
    switch name {
    case "charge": words("to charge", "списать деньги")
    case "refund": words("to give money back", "вернуть деньги")
    case "inquire": words("what became of it", "что стало с платежом")
    case "reverse": words("to undo it", "отменить списание")
    default: name
    }
  }

  private func ofRefund(_ operation: UniqueID) -> HTML {
    operation == payment.id ? .nothing : "\(words("refund", "возврат")) \(HTML.id(operation))"
  }
}
