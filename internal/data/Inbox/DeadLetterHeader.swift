/// The names of the headers that a dead letter has in addition to those of its message.
public enum DeadLetterHeader {
  /// The topic that the message was read from.
  public static let topic = "dlq_topic"
  /// The partition that the message was read from, in decimal.
  public static let partition = "dlq_partition"
  /// The message's offset, in decimal.
  public static let offset = "dlq_offset"
  /// Why the message could not be used.
  public static let error = "dlq_error"
  /// What the dead-letter topic refused and the letter therefore lacks: `value` or `all`. Absent on a whole letter.
  public static let leftOut = "dlq_left_out"
  /// How often the message was requeued, in decimal; stays on the message. For people: whoever writes to the topic may
  /// set it.
  public static let requeues = "dlq_requeues"

  /// The headers that describe one death; a requeued message loses them.
  public static let ofOneDeath: Set<String> = [topic, partition, offset, error, leftOut]
}
