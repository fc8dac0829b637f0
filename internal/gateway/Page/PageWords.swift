internal import DirectDomain
internal import Money
internal import Values

extension Words {
  /// A payment's state.
  func state(_ state: PaymentState) -> String {
    switch state {
    case .created: self("Created", "Создан")
    case .processing: self("Processing", "Обрабатывается")
    case .review: self("In review", "На проверке")
    case .unknown: self("Unknown", "Неизвестно")
    case .completed: self("Completed", "Выполнен")
    case .rejected: self("Rejected", "Отклонён")
    case .error: self("Error", "Ошибка")
    }
  }

  /// How a payment is paid.
  func method(_ method: PaymentMethod) -> String {
    switch method {
    case .card: self("Card", "Карта")
    case .account: self("Bank account", "Счёт в банке")
    case .token: self("Bank's token", "Токен банка")
    case .balance: self("Balance", "Баланс")
    }
  }

  /// Why a payment is in its state.
  func reason(_ reason: PaymentReason, in state: PaymentState) -> String {
    switch reason {
    case .cancelled: self("cancelled", "отменён")
    case .riskBlocked: self("blocked by risk", "заблокирован проверкой риска")
    case .reviewRequired where state == .review: self("a person decides", "решает человек")
    case .reviewRequired: self("a card cannot wait for a review", "карта не может ждать проверки")
    case .reviewDeclined: self("a person declined it", "отклонён человеком")
    case .reviewTimeout: self("nobody reviewed it in time", "никто не проверил его вовремя")
    case .insufficientFunds: self("not enough money", "недостаточно денег")
    case .ledgerRefused: self("the ledger refused it", "отказ бухгалтерской книги")
    case .bankDeclined: self("declined by the bank", "отклонён банком")
    case .bankUnavailable: self("the bank was away; not charged", "банк недоступен; деньги не списаны")
    case .cardDataLost: self("the card number was lost; not charged", "номер карты потерян; деньги не списаны")
    case .bankUnclear: self("the bank has not told; it is asked again", "банк не ответил; его спросят ещё раз")
    case .bankNeverCharged: self("the bank never charged", "банк не списывал денег")
    }
  }

  /// What a refused request got wrong, by its code. English has the words of the API.
  func problem(_ code: String, _ detail: String) -> String {
    guard language == .russian, let words = Self.russian[code] else {
      return Self.english[code] ?? detail
    }
    return words
  }

  /// Codes of the pages alone.
  private static let english: [String: String] = [
    "invalid_decimal": "expected an amount such as 19.99, with no more decimals than the currency has",
    "form_expired": "the form is too old, or came from elsewhere; nothing was done: send it again",
    "form_unreadable": "the form cannot be read; nothing was done",
    "letter_gone": "somebody has decided about this letter, or it has nothing to be sent",
    "login_failed": "this is the secret of no API key, or of one that has ended",
    "scope_missing": "your API key lacks the scope for this; nothing was done",
  ]

  private static let russian: [String: String] = [
    "invalid_decimal": "ожидается сумма, например 19.99, с числом знаков, которое есть у валюты",
    "form_expired": "форма устарела или пришла с чужой страницы; ничего не сделано: отправьте её ещё раз",
    "form_unreadable": "форму нельзя прочитать; ничего не сделано",
    "letter_gone": "о письме уже решили, или в нём нечего отправить",
    "login_failed": "это не секрет действующего ключа API",
    "scope_missing": "вашему ключу API это не разрешено; ничего не сделано",
    "missing_field": "поле обязательно",
    "invalid_id": "ожидается UUID из 36 знаков",
    "invalid_type": "ожидается другой вид значения",
    "invalid_text": "ожидается текст без управляющих знаков",
    "text_too_long": "текст слишком длинный",
    "card_number_in_text": "здесь нельзя писать номер карты",
    "invalid_order_id": "ожидается целое число больше нуля",
    "invalid_amount": "ожидается сумма, например 19.99",
    "amount_not_positive": "ожидается сумма больше нуля, без знака",
    "amount_too_large": "сумма слишком велика",
    "unknown_currency": "ожидается код валюты ISO 4217, например EUR",
    "unknown_method": "выберите способ оплаты",
    "payer_is_payee": "получатель не может быть плательщиком",
    "invalid_card_number": "это не номер карты: проверьте цифры",
    "invalid_cvv": "ожидается код с обратной стороны карты: 3 цифры, у Amex 4",
    "invalid_expiry": "ожидается срок действия, например 12/40",
    "card_expired": "срок действия карты истёк",
    "unknown_account": "это не счёт плательщика",
    "currency_differs": "у счёта другая валюта",
    "insufficient_funds": "на счёте недостаточно денег",
    "order_payment_exists": "у заказа уже есть платёж",
    "order_not_payable": "заказ нельзя оплатить",
    "amount_differs": "у заказа другая сумма",
    "orders_not_supported": "заказы здесь не оплачиваются",
    "external_id_exists": "платёж с таким номером уже есть",
    "idempotency_key_reused": "эта форма уже отправлена с другим содержанием: откройте страницу заново",
    "idempotency_key_in_flight": "эта форма как раз отправляется: подождите",
    "not_refundable": "платёж не выполнен: возвращать нечего",
    "refund_exceeds_payment": "возвраты превысили бы платёж",
    "too_many_refunds": "у платежа слишком много возвратов",
    "bank_already_asked": "банк уже запрошен: отменить нельзя",
    "already_final": "платёж уже завершён",
    "not_in_review": "платёж не ждёт проверки",
    "payment_not_found": "такого платежа нет",
    "account_not_found": "такого счёта нет",
    "card_queue_full": "слишком много карт ждут банка; ничего не сделано: попробуйте ещё раз",
    "database_busy": "база данных занята; ничего не сделано: попробуйте ещё раз",
    "database_unavailable": "база данных не ответила; ничего не сделано: попробуйте ещё раз",
    "saga_unavailable": "заказ не удалось проверить; ничего не сделано: попробуйте ещё раз",
    "outcome_unknown": "неизвестно, сделано ли это: отправьте ту же форму ещё раз, второго списания не будет",
    "stopping": "сервер останавливается; ничего не сделано: попробуйте ещё раз",
    "internal_error": "сохранённое нельзя прочитать: нужен оператор",
    "invalid_cursor": "ссылка на эту часть списка неверна",
    "invalid_parameter": "фильтр задан неверно",
    "unknown_parameter": "такого фильтра нет",
    "rate_limited": "слишком много запросов с этим ключом API: подождите",
  ]
}

extension HTML {
  /// A moment: text for everybody, machine-readable for the script, which shows it in the reader's time zone.
  static func time(_ moment: Timestamp) -> HTML {
    let text = moment.description
    let shown = text.prefix(10) + " " + text.dropFirst(11).prefix(8)
    return "<time datetime=\"\(text)\">\(String(shown)) UTC</time>"
  }

  /// An amount with its currency.
  static func money(_ money: Money) -> HTML {
    "<span class=\"money\">\(money.decimal) \(money.currency.code)</span>"
  }

  /// An id: whole for copying and screen readers, in a type that lets digits be told apart.
  static func id(_ id: UniqueID) -> HTML { "<code class=\"id\">\(id)</code>" }

  /// A state with its sign; the sign alone says nothing to who cannot see it.
  /// - Parameter isOver: whether another state has followed.
  static func state(_ state: PaymentState, _ words: Words, isOver: Bool = false) -> HTML {
    let sign = icon(of: state, isOver: isOver)
    return "<span class=\"state state-\(state.rawValue.lowercased())\">\(sign)\(words.state(state))</span>"
  }

  /// The sign of a state.
  static func icon(of state: PaymentState, isOver: Bool) -> HTML {
    switch state {
    case .completed: icon("M5 12.5l4.5 4.5L19 7.5")
    case .rejected: icon("M6.5 6.5l11 11m0-11l-11 11")
    case .error: icon("M12 6v7m0 4v.5")
    case .review: icon("M3 12s3.5-6 9-6 9 6 9 6-3.5 6-9 6-9-6-9-6zm9 2.5a2.5 2.5 0 100-5 2.5 2.5 0 000 5z")
    case .unknown: icon("M9 9.5a3 3 0 116 0c0 2-3 2.2-3 4.5m0 3.4v.4")
    case .created, .processing: isOver ? icon("M5 12h14m-6-6l6 6-6 6") : icon("M12 4a8 8 0 108 8", isSpinning: true)
    }
  }

  /// A line drawing within 24 by 24 units.
  static func icon(_ path: String, isSpinning: Bool = false) -> HTML {
    let name: HTML = isSpinning ? "icon spin" : "icon"
    return """
      <svg class="\(name)" viewBox="0 0 24 24" width="18" height="18" aria-hidden="true" focusable="false">\
      <path d="\(path)"/></svg>
      """
  }
}
