/// Makes the transaction it runs in wait, when it commits, until the synchronous standbys have everything that its
/// earlier commands have seen. Costs nothing where `synchronous_standby_names` is empty.
///
/// For whoever acknowledges or passes on what others have written: a transaction becomes visible before it is confirmed
/// when its wait for a standby is cancelled, or the server restarts in it, and a failover takes such a one back. A
/// transaction that only reads does not wait by itself; this one writes a few bytes of WAL that carry nothing.
public enum ReplicationBarrier {
  /// To run inside the transaction, before its COMMIT.
  public static let command = Command(
    Statement(
      """
      SELECT pg_logical_emit_message(true, 'barrier', ''::text)
      WHERE current_setting('synchronous_standby_names') <> ''
      """, isReadOnly: true))
}
