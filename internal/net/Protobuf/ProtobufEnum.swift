/// An enum of proto3: open, so a number that is not known here is kept; equal numbers are equal values.
public protocol ProtobufEnum: Sendable, Hashable {
  /// The value with this number, known or not.
  init(number: Int32)
  /// The number on the wire; 0 is the default.
  var number: Int32 { get }
}

extension ProtobufEnum {
  @inlinable
  public static func == (left: Self, right: Self) -> Bool { left.number == right.number }

  @inlinable
  public func hash(into hasher: inout Hasher) { hasher.combine(number) }
}
