internal import DirectDomain
internal import GatewayDomain
internal import Money
internal import Values

/// The words of the payment API's page.
struct PaymentsPageView {
  let words: Words

  func content(_ payments: [GatewayPayment], _ form: FormView, user: UniqueID) -> HTML {
    """
    <h1>\(words("Hello, user", "Привет, пользователь"))</h1>
    \(visitor(user, form.token))
    \(paymentForm(form))
    <h2 id="list">\(words("Payment results", "Результаты платежей"))</h2>
    \(table(payments))
    """
  }

  private func visitor(_ user: UniqueID, _ token: String) -> HTML {
    let renew = words("Make a new UUID", "Создать новый UUID")
    return """
      <div class="uuid"><span>\(words("Your UUID:", "Ваш UUID:")) <code id="uuid">\(user)</code></span>
      <form method="post" action="/renew"><input type="hidden" name="csrf" value="\(token)">
      <button type="submit" class="plain" aria-label="\(renew)" title="\(renew)">⟳</button></form></div>
      """
  }

  private func paymentForm(_ form: FormView) -> HTML {
    let account = form.field(
      "account", words("Account number (numeric):", "Номер счета (numeric):"),
      "inputmode=\"numeric\" autocomplete=\"off\" maxlength=\"255\" required")
    let amount = form.field(
      "amount", words("Amount (numeric):", "Сумма (numeric):"),
      "inputmode=\"decimal\" autocomplete=\"off\" maxlength=\"30\" required")
    let description = form.field(
      "description", words("Purpose of the payment (string):", "Назначение платежа (string):"),
      "autocomplete=\"off\" maxlength=\"500\"")
    let button = form.button(words("Send the payment", "Отправить платеж"))
    return form.form(stays: true, "\(account)\(amount)\(description)\(button)")
  }

  private func table(_ payments: [GatewayPayment]) -> HTML {
    let table = TableView(
      heads: [
        "Payment ID", "UUID", words("Created", "Дата создания"), words("Processed", "Дата обработки"),
        words("State", "Состояние"), words("Account number", "Номер счета"), words("Amount", "Сумма"),
        words("Purpose of the payment", "Назначение платежа"), words("More details", "Дополнительные детали"),
      ], id: "payments", heading: "list")
    return table.table(payments.compactMap { row($0, table) })
  }

  /// - Returns: nil for a payment of another surface.
  private func row(_ payment: GatewayPayment, _ table: TableView) -> HTML? {
    guard case .payments(let details)? = (try? SurfacePayment(payment))?.details else { return nil }
    let view = PaymentsView(payment, details)
    let (standing, word) = (payment.standing, payment.standing.state.paymentsWord)
    return table.row(
      payment.id.description, saying: "\(payment.amount.decimal): \(word)",
      [
        .id(payment.id), "<code class=\"id\">\(details.user)</code>", .time(payment.createdAt),
        standing.state.isFinal ? .time(standing.since) : .nothing, sign(standing.state, word),
        "<code>\(details.account)</code>", "<span class=\"money\">\(payment.amount.decimal)</span>",
        "\(payment.description ?? "")", "\(view.outcome ?? details.note ?? "")",
      ])
  }

  /// A spinner, a tick or a cross with the word as tooltip; screen readers get the word.
  private func sign(_ state: PaymentState, _ word: String) -> HTML {
    let shown: PaymentState = state.isFinal ? (state == .completed ? .completed : .rejected) : .processing
    return """
      <span class="state state-\(shown.rawValue.lowercased())" title="\(word)" role="img" aria-label="\(word)">\
      \(HTML.icon(of: shown, isOver: false))</span>
      """
  }
}
