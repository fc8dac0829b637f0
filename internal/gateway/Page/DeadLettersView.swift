internal import GatewayStore
internal import Values

/// Messages of the pipeline that could not be used.
struct DeadLettersView {
  let words: Words

  /// - Parameter form: of a letter's decision; nil for who may not decide.
  func list(_ letters: [StoredDeadLetter], form: (StoredDeadLetter) -> HTML?) -> HTML {
    let table = TableView(
      heads: [
        words("Since", "С"), words("Topic", "Топик"), words("Why", "Почему"), words("Sent again", "Отправлено снова"),
        words("Payment", "Платёж"), words("Decision", "Решение"),
      ], id: "letters", heading: "list")
    let rows = letters.map { letter -> HTML in
      let payment = letter.paymentID.map { id -> HTML in "<a href=\"/payments/\(id)\">\(HTML.id(id))</a>" }
      return table.row(
        "\(letter.id)",
        [
          .time(letter.diedAt), "<code>\(letter.source)</code> \(words("letter", "письмо")) \(letter.id)",
          "\(letter.reason)", "\(letter.requeues)", payment ?? "–",
          form(letter) ?? "\(words("needs the scope review", "нужно право review"))",
        ])
    }
    let none: HTML = letters.isEmpty ? "\(words("No dead letter waits.", "Мёртвых писем нет."))" : .nothing
    return "\(table.table(rows))<p class=\"empty\" id=\"none\" data-part>\(none)</p>"
  }

  /// The buttons that decide about a letter.
  func decisionForm(_ view: FormView) -> HTML {
    let requeue = view.button(words("Send again", "Отправить снова"), "good", sends: ("decision", "requeue"))
    let discard = view.button(words("Discard", "Выбросить"), "bad", sends: ("decision", "discard"))
    return view.form(isInline: true, "\(requeue)\(discard)")
  }
}
