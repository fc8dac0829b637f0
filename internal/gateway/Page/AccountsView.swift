internal import LedgerDomain
internal import LedgerStore
internal import Money
internal import Values

/// Accounts with their balances.
struct AccountsView {
  let words: Words

  func search(_ userID: String) -> HTML {
    """
    <form class="filter" method="get" action="/accounts" role="search" aria-label="\(words("Find accounts", "Найти счета"))">
    <div class="field"><label for="user">\(words("User", "Пользователь"))</label>\
    <input id="user" name="user_id" value="\(userID)" maxlength="36" placeholder="UUID" autocomplete="off"></div>
    <button type="submit">\(words("Show", "Показать"))</button>
    </form>
    """
  }

  func list(_ accounts: [Account]) -> HTML {
    let table = TableView(
      heads: [
        words("Currency", "Валюта"), words("Available", "Доступно"), words("Posted", "Проведено"),
        words("Held", "Зарезервировано"), words("Account", "Счёт"),
      ], id: "accounts", heading: "list")
    let none: HTML = accounts.isEmpty ? "\(words("This user has no account.", "У пользователя нет счетов."))" : .nothing
    let rows = accounts.map { account in
      table.row(
        account.id.description, saying: "\(money(account, account.balance.available))",
        [
          "\(account.currency.code)", .money(money(account, account.balance.available)),
          .money(money(account, account.balance.posted)), .money(money(account, account.balance.pending)),
          "<a href=\"/accounts/\(account.id)\">\(HTML.id(account.id))</a>",
        ])
    }
    return "\(table.table(rows))<p class=\"empty\" id=\"none\" data-part>\(none)</p>"
  }

  func openForm(_ view: FormView) -> HTML {
    view.form(
      isInline: true,
      """
      <input type="hidden" name="user_id" value="\(view.values["user_id"] ?? "")">
      \(view.field("currency", words("Currency", "Валюта"), "maxlength=\"3\" autocapitalize=\"characters\" required"))
      \(view.button(words("Open an account", "Открыть счёт"), "plain"))
      """)
  }

  func facts(_ account: Account) -> HTML {
    let owner = account.owner.map { owner -> HTML in "<a href=\"/accounts?user_id=\(owner)\">\(HTML.id(owner))</a>" }
    let facts: [(String, HTML)] = [
      (words("Available", "Доступно"), .money(money(account, account.balance.available))),
      (words("Posted", "Проведено"), .money(money(account, account.balance.posted))),
      (words("Held", "Зарезервировано"), .money(money(account, account.balance.pending))),
      (words("User", "Пользователь"), owner.orNothing), (words("Opened", "Открыт"), .time(account.openedAt)),
      (words("Id", "UUID"), .id(account.id)),
    ]
    let rows = facts.map { fact -> HTML in "<div><dt>\(fact.0)</dt><dd>\(fact.1)</dd></div>" }
    return "<dl class=\"facts\" id=\"facts\" data-part>\(rows)</dl>"
  }

  private func money(_ account: Account, _ minorUnits: Int64) -> Money {
    Money(minorUnits: minorUnits, account.currency)
  }

  func movementForm(_ view: FormView, _ account: Account) -> HTML {
    let amount = view.field(
      "amount", "\(words("Amount", "Сумма")), \(account.currency.code)",
      "inputmode=\"decimal\" maxlength=\"30\" required")
    return view.form(
      isInline: true,
      """
      \(amount)
      \(view.button(words("Top up", "Пополнить"), "plain", sends: ("direction", "topup")))
      \(view.button(words("Pay out", "Вывести"), "plain", sends: ("direction", "spend")))
      """)
  }

  func entries(_ entries: [AccountEntry], _ account: Account, limit: Int) -> HTML {
    let table = TableView(
      heads: [
        words("When", "Когда"), words("What", "Что"), words("Amount", "Сумма"),
        words("Balance changes by", "Изменение"), words("Other account", "Другой счёт"),
      ], id: "entries", heading: "list")
    let shown = entries.prefix(limit)
    let rows = shown.map { entry in
      table.row(
        "\(entry.cursor)",
        [
          .time(entry.at), "\(name(entry.transfer.kind))", .money(entry.transfer.amount),
          .money(money(account, entry.posted)), .id(entry.counterparty),
        ])
    }
    let older = words("Older", "Более старые")
    let last = entries.count > limit ? shown.last?.cursor.description : nil
    let next = last.map { last -> HTML in
      "<a rel=\"next\" href=\"/accounts/\(account.id)?after=\(last)\">\(older)</a>"
    }
    return "\(table.table(rows))<p class=\"pages\" id=\"pages\" data-part>\(next.orNothing)</p>"
  }

  private func name(_ kind: Transfer.Kind) -> String {
    switch kind {
    case .single: words("transfer", "перевод")
    case .pending: words("hold", "резерв")
    case .post: words("hold posted", "резерв проведён")
    case .void: words("hold given back", "резерв снят")
    }
  }
}
