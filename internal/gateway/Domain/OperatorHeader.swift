/// Who runs the command that makes a call: the header field `Paysaga-Operator`, of printable ASCII characters. It
/// proves nothing, so audit trails have it behind the API key's name.
public enum OperatorHeader {
  /// The field.
  public static let name = "Paysaga-Operator"
  /// The longest name, in bytes: with an API key's it fits into a column of 255.
  public static let longest = 128
}
