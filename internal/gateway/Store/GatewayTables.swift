internal import Postgres

/// The gateway's tables in a schema.
public struct GatewayTables: Sendable, Hashable {
  /// The channel on which waiters are told of changed payments, as `PaymentNotice` writes them.
  public static let channel = "gateway_payment"
  /// The channel on which gateways are told of changed API keys.
  public static let keyChannel = "gateway_api_key"

  /// The channel on which gateways are told that there is something to send to webhook endpoints, and with the payload
  /// `endpointsChanged` that endpoints have changed.
  public static let webhookChannel = "gateway_webhook"
  /// The payload that says that webhook endpoints have changed.
  public static let endpointsChanged = "endpoints"

  /// The tables as statements name them.
  let payment: String
  let paymentState: String
  let orderClaim: String
  let cardWaiting: String
  let idempotencyKey: String
  let paymentArchive: String
  let paymentStateArchive: String
  let allPayment: String
  let allPaymentState: String
  let eventWait: String
  let eventDead: String
  let externalClaim: String
  let apiKey: String
  let customer: String
  let paymentMethod: String
  let transactionUser: String
  let demoUser: String
  let demoMethod: String
  let demoRequest: String
  let deadLetter: String
  let webhookEndpoint: String
  let webhookLease: String
  let webhookQueue: String
  let webhookDelivery: String
  let webhookAttempt: String

  /// - Parameter schema: its name as the catalogue has it, not quoted.
  public init(schema: String = "gateway") {
    let prefix = quoteIdentifier(schema)
    payment = prefix + ".payment"
    paymentState = prefix + ".payment_state"
    orderClaim = prefix + ".order_claim"
    cardWaiting = prefix + ".card_waiting"
    idempotencyKey = prefix + ".idempotency_key"
    paymentArchive = prefix + ".payment_archive"
    paymentStateArchive = prefix + ".payment_state_archive"
    allPayment = prefix + ".all_payment"
    allPaymentState = prefix + ".all_payment_state"
    eventWait = prefix + ".event_wait"
    eventDead = prefix + ".event_dead"
    externalClaim = prefix + ".external_claim"
    apiKey = prefix + ".api_key"
    customer = prefix + ".customer"
    paymentMethod = prefix + ".payment_method"
    transactionUser = prefix + ".transaction_user"
    demoUser = prefix + ".demo_user"
    demoMethod = prefix + ".demo_payment_method"
    demoRequest = prefix + ".demo_payment_request"
    deadLetter = prefix + ".dead_letter"
    webhookEndpoint = prefix + ".webhook_endpoint"
    webhookLease = prefix + ".webhook_lease"
    webhookQueue = prefix + ".webhook_queue"
    webhookDelivery = prefix + ".webhook_delivery"
    webhookAttempt = prefix + ".webhook_attempt"
  }
}
