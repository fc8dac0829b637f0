/// Lets the transaction it runs in commit without waiting for the disk. Only for what may be lost when the database
/// crashes.
public enum RelaxedCommit {
  /// To run inside the transaction, before its COMMIT.
  public static let command = Command(
    Statement("SELECT set_config('synchronous_commit', 'off', true)", isReadOnly: true))
}
