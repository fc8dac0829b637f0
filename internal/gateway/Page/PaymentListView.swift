internal import DirectDomain
internal import GatewayDomain
internal import GatewayStore
internal import Values

/// The form of a payment, and the list of payments.
struct PaymentListView {
  let words: Words

  /// Cards and accounts of the imitated bank, whose answers are fixed: docs/bank-stub.md.
  private static let testCards = [
    ("4242424242424242", "pays", "платит"), ("4000000000000002", "is declined", "отклоняется"),
    ("4000000000009995", "has too little money", "не хватает денег"),
  ]

  // MARK: - The form

  /// - Parameter hasTestCards: whether to offer the imitated bank's cards.
  func paymentForm(_ view: FormView, hasTestCards: Bool) -> HTML {
    let description = view.field(
      "description", words("Description", "Назначение"), "maxlength=\"500\" autocomplete=\"off\"")
    return view.form(
      stays: true,
      """
      \(methods(view))
      \(cardFields(view, hasTestCards))
      \(accountFields(view, hasTestCards))
      \(balanceFields(view))
      \(moneyFields(view))
      \(description)
      \(peopleFields(view))
      \(view.button(words("Pay", "Оплатить")))
      """)
  }

  private func moneyFields(_ view: FormView) -> HTML {
    let amount = view.field(
      "amount", words("Amount", "Сумма"),
      "inputmode=\"decimal\" autocomplete=\"transaction-amount\" maxlength=\"30\" required",
      hint: words("such as 19.99", "например 19.99"))
    let currency = view.field(
      "currency", words("Currency", "Валюта"),
      "list=\"currencies\" maxlength=\"3\" autocapitalize=\"characters\" required")
    let known = ["EUR", "USD", "RUB", "BYN", "JPY"].map { code -> HTML in "<option value=\"\(code)\">" }
    return "<div class=\"row\">\(amount)\(currency)</div><datalist id=\"currencies\">\(known)</datalist>"
  }

  private func peopleFields(_ view: FormView) -> HTML {
    let id: HTML = "maxlength=\"36\" autocomplete=\"off\""
    let payer = view.field("user_id", words("Payer (user id)", "Плательщик (UUID)"), id)
    let payee = view.field(
      "payee_id", words("Payee (user id)", "Получатель (UUID)"), id,
      hint: words("empty: the merchant", "пусто: магазин"))
    let order = view.field("order_id", words("Order", "Заказ"), "inputmode=\"numeric\" autocomplete=\"off\"")
    return """
      <details><summary>\(words("Payer, payee, order", "Плательщик, получатель, заказ"))</summary>
      \(payer)\(payee)\(order)
      </details>
      """
  }

  private func accountFields(_ view: FormView, _ hasTestCards: Bool) -> HTML {
    let hint = words("one that ends in 1 pays, in 2 is declined", "на 1 — платит, на 2 — отклоняется")
    let number = view.field(
      "account", words("Account number", "Номер счёта"), "autocomplete=\"off\" maxlength=\"255\"",
      hint: hasTestCards ? hint : "")
    return source(.account, words("Bank account", "Счёт в банке"), number)
  }

  private func balanceFields(_ view: FormView) -> HTML {
    let id = view.field(
      "account_id", words("Account id", "Номер счёта здесь"), "autocomplete=\"off\" maxlength=\"36\"",
      hint: words("a UUID: see Accounts", "UUID: см. «Счета»"))
    return source(.balance, words("Balance kept here", "Баланс здесь"), id)
  }

  /// The fields of one way to pay; the style sheet shows those of the way that is chosen.
  private func source(_ method: PaymentMethod, _ legend: String, _ fields: HTML) -> HTML {
    """
    <fieldset class="source" data-method="\(method.rawValue)"><legend>\(legend)</legend>
    \(fields)
    </fieldset>
    """
  }

  private func methods(_ view: FormView) -> HTML {
    let chosen = view.values["method"] ?? PaymentMethod.card.rawValue
    let radios = [PaymentMethod.card, .account, .balance].map { method -> HTML in
      let mark: HTML = method.rawValue == chosen ? " checked" : .nothing
      return """
        <label class="choice"><input type="radio" name="method" value="\(method.rawValue)"\(mark)>\
        <span>\(words.method(method))</span></label>
        """
    }
    return """
      <fieldset class="methods"><legend>\(words("Pay by", "Способ оплаты"))</legend>\(radios)\
      \(view.complaint("method"))</fieldset>
      """
  }

  private func cardFields(_ view: FormView, _ hasTestCards: Bool) -> HTML {
    let number = view.field(
      "number", words("Card number", "Номер карты"),
      "inputmode=\"numeric\" autocomplete=\"cc-number\" maxlength=\"40\"", isSecret: true)
    let expiry = view.field(
      "expiry", words("Valid until", "Действует до"),
      "inputmode=\"numeric\" autocomplete=\"cc-exp\" maxlength=\"9\" placeholder=\"12/40\"")
    let cvv = view.field(
      "cvv", "CVV", "inputmode=\"numeric\" autocomplete=\"cc-csc\" maxlength=\"8\"", isSecret: true)
    let holder = view.field(
      "holder", words("Name on the card", "Имя на карте"), "autocomplete=\"cc-name\" maxlength=\"255\"")
    return source(
      .card, words("Card", "Карта"),
      """
      \(hasTestCards ? testCards : .nothing)
      \(number)
      <div class="row">\(expiry)\(cvv)</div>
      \(holder)
      """)
  }

  /// Buttons where there is a script; numbers to copy where there is none.
  private var testCards: HTML {
    let cards = Self.testCards.map { card -> HTML in
      """
      <li><button type="button" class="plain" data-fill-number="\(card.0)" data-fill-expiry="12/40" \
      data-fill-cvv="123"><code>\(card.0)</code></button> \(words(card.1, card.2))</li>
      """
    }
    return """
      <div class="hint" role="note"><p>\(words("Test cards (12/40, CVV 123):", "Тестовые карты (12/40, CVV 123):"))</p>\
      <ul>\(cards)</ul></div>
      """
  }

  // MARK: - The list

  /// What was asked for, as it stands in the filter's fields.
  struct Filter: Sendable, Hashable {
    var status = ""
    var userID = ""
    var orderID = ""
    var isLaterPage = false

    /// The parameters of a link that keeps the filter.
    func query(after cursor: String) -> String {
      let pairs = [("status", status), ("user_id", userID), ("order_id", orderID), ("after", cursor)]
        .filter { !$0.1.isEmpty }
      return pairs.isEmpty ? "/" : "/?" + pairs.map { "\($0.0)=\($0.1)" }.joined(separator: "&")
    }
  }

  func filterForm(_ filter: Filter) -> HTML {
    let states = PaymentState.allCases.map { state -> HTML in
      let mark: HTML = state.rawValue == filter.status ? " selected" : .nothing
      return "<option value=\"\(state.rawValue)\"\(mark)>\(words.state(state))</option>"
    }
    return """
      <form class="filter" method="get" action="/" role="search" aria-label="\(words("Filter payments", "Фильтр платежей"))">
      <div class="field"><label for="status">\(words("State", "Состояние"))</label>\
      <select id="status" name="status"><option value="">\(words("all", "все"))</option>\(states)</select></div>
      <div class="field"><label for="user">\(words("Payer", "Плательщик"))</label>\
      <input id="user" name="user_id" value="\(filter.userID)" maxlength="36" placeholder="UUID" autocomplete="off"></div>
      <div class="field"><label for="order">\(words("Order", "Заказ"))</label>\
      <input id="order" name="order_id" value="\(filter.orderID)" maxlength="19" inputmode="numeric" autocomplete="off"></div>
      <button type="submit">\(words("Show", "Показать"))</button>
      </form>
      """
  }

  func list(_ page: PaymentPage, _ filter: Filter) -> HTML {
    let table = TableView(
      heads: [
        words("Created", "Создан"), words("State", "Состояние"), words("Amount", "Сумма"), words("Paid by", "Оплата"),
        words("Description", "Назначение"), words("Payment", "Платёж"),
      ], id: "payments", heading: "list")
    let older = words("Older", "Более старые")
    let next = page.next.map { next -> HTML in
      "<a rel=\"next\" href=\"\(filter.query(after: next.text))\">\(older)</a>"
    }
    let none: HTML = page.payments.isEmpty ? "\(words("No payments here.", "Платежей здесь нет."))" : .nothing
    return """
      \(table.table(page.payments.map { row($0, table) }))
      <p class="empty" id="none" data-part>\(none)</p>
      <p class="pages" id="pages" data-part>\(next.orNothing)</p>
      """
  }

  private func row(_ payment: GatewayPayment, _ table: TableView) -> HTML {
    let state = payment.standing.state
    let reason = payment.standing.reason.map { reason -> HTML in "<small>\(words.reason(reason, in: state))</small>" }
    let name = String(payment.id.description.suffix(12))
    return table.row(
      payment.id.description, saying: "\(payment.amount): \(words.state(state))",
      [
        .time(payment.createdAt), "\(HTML.state(state, words))\(reason.orNothing)", .money(payment.amount),
        source(payment.source), "\(payment.description ?? "")",
        "<a href=\"/payments/\(payment.id)\"><code class=\"short\">…\(name)</code></a>",
      ])
  }

  /// Where the money comes from.
  func source(_ source: GatewayPayment.Source) -> HTML {
    switch source {
    case .card(let brand, let last4): "\(words.method(.card)) <code>\(brand) ••\(last4)</code>"
    case .account(let masked): "\(words.method(.account)) <code>\(masked)</code>"
    case .token(let masked): "\(words.method(.token)) <code>\(masked)</code>"
    case .balance(let id): "<a href=\"/accounts/\(id)\">\(words.method(.balance))</a>"
    }
  }
}
