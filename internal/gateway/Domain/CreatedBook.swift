public import Values

/// Which payments are still CREATED although they are old: nobody has claimed them. Pure.
///
/// No index has the state of payments, since results would then cost more. So each payment is looked at once, by
/// ascending id, when it is older than payments usually are until they are claimed; those that are CREATED then are
/// remembered, and looked at again and again.
public struct CreatedBook: Sendable, Hashable {
  /// The most payments that are remembered: while so many are CREATED, what is newer is not looked at.
  public static let most = 1_000

  /// Those that were CREATED when they were looked at.
  public private(set) var open: Set<UniqueID> = []
  /// All payments up to this one have been looked at.
  public private(set) var last: UniqueID

  /// Nothing was looked at.
  /// - Parameter first: where to begin; what has a lower id is another book's.
  public init(from first: UniqueID = UniqueID(high: 0, low: 0)) { last = first }

  /// Whether further payments may be looked at.
  public var hasRoom: Bool { open.count < Self.most }

  /// - Parameter created: those of the remembered ones that are CREATED still.
  public mutating func remembered(_ created: Set<UniqueID>) { open.formIntersection(created) }

  /// - Parameter page: the payments behind `last`, by ascending id, and whether each is CREATED. What comes after the
  ///   last one that there is room for is looked at another time.
  public mutating func looked(_ page: [(id: UniqueID, isCreated: Bool)]) {
    for payment in page {
      if payment.isCreated {
        guard hasRoom else { return }
        open.insert(payment.id)
      }
      last = payment.id
    }
  }
}
