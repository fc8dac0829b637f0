import LedgerDomain
import Money
import Outbox
import Postgres
import ProcessingDomain
import ProcessingStore
import Values

/// `reconcile release`: moves money out of suspense.
struct ReconcileRelease: Subcommand {
  static let usage = Usage(
    name: "reconcile release", summary: "move a charge that was put aside out of suspense", operand: "PAYMENT",
    options: [
      Option("--to", "ACCOUNT", "where it goes: fees, world, clearing, or the id of a user's account"),
      Option("--note", "TEXT", "why; kept"),
      Option("--by", "NAME", "who does it; default: the user of this machine who runs the command"),
    ],
    synopsis: "PAYMENT --to ACCOUNT --note TEXT [--by NAME]",
    notes: """
      For a charge without a payment that cannot go back, such as when the bank refuses its refund. All of it is moved,
      once, and cannot be moved on. `fees` keeps it, `world` says that it has left by another way, and a user can be
      credited. `clearing` says that the bank has never made the charge: statements must be complete for the time, and none
      list it. The payment's exception is closed with name and note, and nothing goes back by itself any more. The same
      again changes nothing. paysaga operations list --outbox processing --action suspense_release shows who has done it.
      """,
    example: "paysaga reconcile release 0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e10 --to fees --note agreed-with-the-bank")

  private let id: UniqueID
  private let target: SuspenseTarget
  private let note: String
  private let person: String

  init(_ arguments: Arguments) throws(CommandError) {
    id = try arguments.id("a payment")
    target = try Self.target(try arguments.required("--to"))
    note = try arguments.note()
    person = try arguments.person()
  }

  private static func target(_ text: String) throws(CommandError) -> SuspenseTarget {
    switch text {
    case "fees": return .fees
    case "world": return .world
    case "clearing": return .clearing
    default:
      guard let id = UniqueID(text) else {
        throw .usage("--to expects fees, world, clearing or the id of a user's account, found \"\(printable(text))\"")
      }
      return .user(id)
    }
  }

  func run(_ session: Session) throws {
    let outbox = OutboxChoice(.processing)
    let connection = try outbox.open(session)
    defer { connection.close() }
    let store = try session.paymentSteps(PaymentRules(), on: connection)
    let result = try store.release(
      id, to: target, by: person, note: note, log: OperationLog(outbox.tables), on: connection)
    switch result {
    case .done(let movement, let isRepetition):
      session.output.print([
        "payment_id": .uuid(id), "account_id": .uuid(movement.credit),
        "amount_minor": .number(movement.amount.minorUnits), "currency": .text(movement.amount.currency.code),
        // Whoever did it before may be another person.
        "by": isRepetition ? .null : .text(person), "repeated": .bool(isRepetition),
      ])
    case .missing: throw CommandError.failure("there is no payment \(id)")
    case .notPutAside: throw CommandError.failure("no charge of payment \(id) was put aside")
    case .goesBack: throw CommandError.failure("it goes back, or has gone back: paysaga payments refunds \(id)")
    case .stated: throw CommandError.failure("a statement lists the charge: the bank has made it")
    case .notCovered:
      throw CommandError.failure("no statements are complete for the time in which the bank may have made the charge")
    case .refused(let refusal): throw CommandError.failure(Self.words(refusal))
    }
  }

  private static func words(_ refusal: TransferRefusal) -> String {
    switch refusal {
    case .differs: "it was moved to another account before; nothing was changed"
    case .unknownAccount(let id): "there is no user's account \(id)"
    case .otherCurrency(let id): "account \(id) has another currency"
    default: "the ledger refuses it: \(refusal)"
    }
  }
}
