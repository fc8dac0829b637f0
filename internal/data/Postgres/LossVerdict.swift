/// How far a run had come when its connection was lost; decides whether anything of it may have committed. Pure.
struct LossVerdict {
  /// What each command does to its transaction.
  var effects: [Statement.Effect]
  /// Whether BEGIN had been answered before the run.
  var wasInTransaction: Bool
  /// How many commands were handed to the socket.
  var sent: Int
  /// Whether the Sync that ends an implicit transaction was handed to the socket.
  var syncSent: Bool
  /// How many commands were answered.
  var answered: Int
  /// Whether the server itself said farewell (a FATAL error). Its messages come in order, so that whatever follows the
  /// first unanswered command was not executed; after a mere end of stream answers may have been lost on the way.
  var serverSaidFarewell: Bool

  var mayHaveCommitted: Bool {
    var isExplicit = wasInTransaction
    var hasImplicitWrite = false
    let executed = serverSaidFarewell ? min(sent, answered + 1) : sent
    for effect in effects.prefix(executed) {
      switch effect {
      case .begins: isExplicit = true
      case .commits: return true
      case .rollsBack:
        isExplicit = false
        hasImplicitWrite = false
      case .mayWrite: if !isExplicit { hasImplicitWrite = true }
      case .reads: break
      }
    }
    // An explicit BEGIN takes the implicit writes before it into its transaction.
    let syncReached = syncSent && (!serverSaidFarewell || answered == effects.count)
    return hasImplicitWrite && !isExplicit && syncReached
  }
}
