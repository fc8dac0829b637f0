import DirectDomain
import HTTPClient
import Money
import Postgres
import ProcessingDomain
import ProcessingStore
import Values

/// `payments refund`: gives money of a direct payment back.
struct PaymentsRefund: Subcommand {
  static let usage = Usage(
    name: "payments refund", summary: "give money of a direct payment back, all that is left or a part", operand: "ID",
    options: [
      Option("--amount-minor", "N", "how much, in minor units; default: all that is left"),
      Option("--reason", "TEXT", "why, for people"),
      Option("--key", "TEXT", "the Idempotency-Key; default: a random one. The same again has one effect"),
      GatewayCall.operatorOption,
    ] + GatewayCall.options,
    synopsis: "ID [--amount-minor N] [--reason TEXT] [--key TEXT] [--operator NAME] \(GatewayCall.synopsis)",
    notes: """
      The money goes back to where it came from, through the bank or to the payer's balance. The refund is shown as it is
      after ten seconds at most; `payments refunds` shows what becomes of it then. Only a COMPLETED payment is given back.
      PAYSAGA_API_KEY, in the environment, has the secret of an API key with the scope refund; a gateway with
      GATEWAY_AUTH=open needs none.
      """,
    example: "paysaga payments refund 01980f3e-7c51-7000-8000-000000000000 --amount-minor 500")

  private static let wait = Duration.seconds(10)

  private let id: UniqueID
  private let amount: Int64?
  private let reason: String?
  private let key: String
  private let person: String
  private let gateway: GatewayCall

  init(_ arguments: Arguments) throws(CommandError) {
    id = try arguments.id("a payment")
    person = try GatewayCall.person(arguments)
    amount = try arguments.integer("--amount-minor", in: 1...Int64.max)
    reason = arguments.text("--reason")
    key = arguments.text("--key") ?? "cli-\(UniqueID.random())"
    gateway = GatewayCall(arguments)
  }

  func run(_ session: Session) throws {
    let body = JSONWriter.object { object in
      object.add("amount", amount)
      object.add("reason", reason)
    }
    // Before the call: whatever becomes of it and of this process, the same refund can be asked for again.
    notice("the same command with --key \(printable(key)) gives the money back once")
    let response = try gateway.post(
      "/v1/payments/\(id)/refunds?wait=10s", body, key: key, person: person, wait: Self.wait, session: session)
    guard response.status == 201 else { throw GatewayCall.refusal(response) }
    let found = GatewayCall.texts(response)
    session.output.print(
      ["id": .uuid(id), "refund": .json(response.body)],
      line: "id=\(id) refund=\(printable(found["id"] ?? "")) status=\(printable(found["status"] ?? ""))")
  }
}

/// `payments refunds`: shows the refunds of a direct payment.
struct PaymentsRefunds: Subcommand {
  static let usage = Usage(
    name: "payments refunds", summary: "show the refunds of a direct payment, the oldest first", operand: "ID",
    synopsis: "ID",
    notes: """
      Read from processing's tables. The cause says what asked for it: caller, order_dead (the order of a COMPLETED payment
      cannot be settled), or charged_not_completed (the bank charged what is not COMPLETED).
      """,
    example: "paysaga payments refunds 01980f3e-7c51-7000-8000-000000000000")

  private let id: UniqueID

  init(_ arguments: Arguments) throws(CommandError) { id = try arguments.id("a payment") }

  func run(_ session: Session) throws {
    let connection = try Connection.open(try session.database(of: "PROCESSING_"), logger: session.logger)
    defer { connection.close() }
    let refunds = try RefundReader().list(of: id, on: connection)
    session.output.print(rows: refunds.map(\.record))
    if refunds.isEmpty { notice("payment \(id) has no refunds") }
  }
}

extension StoredRefund {
  fileprivate var record: Record {
    let payment = stored.payment
    return [
      "id": .uuid(payment.id), "status": .text(payment.state.rawValue),
      "reason": payment.reason.map { .text($0.rawValue) } ?? .null, "version": .number(payment.version),
      "amount_minor": .number(payment.amount.minorUnits), "currency": .text(payment.amount.currency.code),
      "cause": .text(payment.refund?.cause.rawValue ?? ""),
      "requested_by": payment.requester.map { .text($0) } ?? .null, "note": note.map { .text($0) } ?? .null,
      "created_at": .time(payment.since), "updated_at": .time(updatedAt),
    ]
  }
}
