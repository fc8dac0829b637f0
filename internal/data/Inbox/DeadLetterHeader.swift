/// The names of the headers that a dead letter has beside those of its message.
public enum DeadLetterHeader {
  /// Where the message lay, in decimal but for the topic.
  public static let topic = "dlq_topic"
  public static let partition = "dlq_partition"
  public static let offset = "dlq_offset"
  /// Why it could not be used.
  public static let error = "dlq_error"
  /// What the dead-letter topic refused and the letter is without: `value` or `all`. Absent on a whole letter.
  public static let leftOut = "dlq_left_out"
  /// How often the message was put back, in decimal: stays on it, so that it cannot go round for ever.
  public static let requeues = "dlq_requeues"

  /// Those that say of one death only; a message that is put back loses them.
  public static let ofOneDeath: Set<String> = [topic, partition, offset, error, leftOut]
}
