internal import DirectDomain
internal import Money
internal import Values

/// The topics that the gateway writes for readers of the older systems. Nobody's message on them moves money.
public struct SurfaceTopics: Sendable, Hashable {
  /// Payments of the surfaces payments and transactions as they were asked for.
  public var payments = ""
  /// What became of payments of the payments surface.
  public var results = ""
  /// What becomes of payments of the transactions surface.
  public var statuses = ""
  /// Payments of the demo surface.
  public var requests = ""

  /// The values before any setting is read.
  public init() {}
}

/// A message for readers of an older system.
public struct SurfaceMessage: Sendable, Hashable {
  /// Where it goes. Its key is the payment's id.
  public let topic: String
  /// The CloudEvents type.
  public let type: String
  /// The header by which a Spring consumer chooses a class; its reader fails for ever on a message without it.
  public let typeID: String?
  /// The value.
  public let payload: [UInt8]

  /// The name of the header with `typeID`.
  public static let typeIDHeader = "__TypeId__"

  /// A message.
  public init(topic: String, type: String, typeID: String? = nil, payload: [UInt8]) {
    self.topic = topic
    self.type = type
    self.typeID = typeID
    self.payload = payload
  }
}

/// What readers of the older systems are told of a payment, one message an event. Pure.
public struct SurfaceOutput: Sendable, Hashable {
  private static let paymentTypeID = "com.mycompany.userservice.src.model.kafka.PaymentDTO"
  private static let statusTypeID = "com.mycompany.userservice.src.model.kafka.StatusPaymentDTO"

  private let topics: SurfaceTopics

  /// Messages for these topics.
  public init(_ topics: SurfaceTopics) { self.topics = topics }

  /// What is told when the payment is taken in.
  public func created(_ shown: SurfacePayment) -> [SurfaceMessage] {
    let payment = shown.payment
    switch shown.details {
    case .cards: return []
    case .payments(let details):
      // The two systems share the topic, and each has readers that know its own fields only.
      let whole = Self.wholeUnits(payment.amount)
      let user = (number: Self.number(of: payment.userID), name: details.user)
      return [asked(payment, PaymentsView(payment, details), coin: whole, user)]
    case .transactions(let details):
      let user = (number: details.userNumber, name: details.userName)
      return [asked(payment, PaymentsView(payment, details), coin: details.coin, user)]
    }
  }

  /// What is told when the payment, as it was before, has a new standing.
  public func changed(_ shown: SurfacePayment, to standing: PaymentStanding) -> [SurfaceMessage] {
    var payment = shown.payment
    let before = payment.standing
    payment.standing = standing
    switch shown.details {
    case .cards: return []
    case .payments(let details):
      guard standing.state.isFinal else { return [] }
      return [
        SurfaceMessage(
          topic: topics.results, type: "paysaga.surface.payment.\(standing.state.paymentsWord)",
          payload: PaymentsView(payment, details).json())
      ]
    case .transactions:
      let word = standing.state.transactionsWord
      guard word != before.state.transactionsWord else { return [] }
      let payload = JSONWriter.object(reserving: 96) { status in
        status.add("paymentId", payment.id)
        status.add("statusPayment", word)
      }
      return [
        SurfaceMessage(
          topic: topics.statuses, type: "paysaga.surface.status.\(word.lowercased())", typeID: Self.statusTypeID,
          payload: payload)
      ]
    }
  }

  private func asked(
    _ payment: GatewayPayment, _ view: PaymentsView, coin: Int64, _ user: (number: Int64, name: String)
  ) -> SurfaceMessage {
    let payload = JSONWriter.object(reserving: 640) { message in
      view.add(to: &message)
      message.add("id", payment.id)
      message.add("money") { money in
        money.add("id", payment.id)
        money.add("amount", coin)
        money.add("currency", payment.amount.currency.code)
      }
      message.add("user") { object in
        object.add("id", user.number)
        object.add("userName", user.name)
      }
      message.add("createDate", payment.createdAt.localTime(decimals: false))
    }
    return SurfaceMessage(
      topic: topics.payments, type: "paysaga.surface.payment.created", typeID: Self.paymentTypeID, payload: payload)
  }

  /// The whole part of an amount in major units; the readers have 32 bits for it.
  private static func wholeUnits(_ money: Money) -> Int64 {
    var whole = money.minorUnits
    for _ in 0..<money.currency.exponent { whole /= 10 }
    return min(whole, Int64(Int32.max))
  }

  /// A number for a user who has none, always the same; every reader of JSON holds it exactly.
  private static func number(of user: UniqueID) -> Int64 { Int64(user.low & 0x1F_FFFF_FFFF_FFFF) }
}

extension PaymentOrigin.Surface {
  /// Whether readers are told of the changes of its payments.
  public var hasReaders: Bool {
    switch self {
    case .cards: false
    case .transactions, .payments: true
    }
  }
}
