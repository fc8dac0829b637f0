/// Lets the transaction it runs in commit without waiting for the disk. Only for what may be lost when the database
/// crashes.
public enum RelaxedCommit {
  public static let command = Command(
    Statement("SELECT set_config('synchronous_commit', 'off', true)", isReadOnly: true))
}
