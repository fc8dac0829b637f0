internal import Protobuf
internal import Values

/// What `.proto` files declare, as `protoc --include_imports --descriptor_set_out=FILE` writes it: a serialised
/// `google.protobuf.FileDescriptorSet` (descriptor.proto of protobuf). A `ReflectionService` answers from it.
public struct DescriptorSet: Sendable {
  /// One file: its name, and the serialised `FileDescriptorProto` it comes in.
  struct File: Sendable {
    let name: String
    let bytes: [UInt8]
    let fields: DescriptorFields
  }

  let files: [File]

  /// Reads the set.
  /// - Throws: `GRPCError` (`invalidDescriptors`) when the bytes are no such message.
  public init(serialized bytes: [UInt8]) throws(GRPCError) {
    do throws(ProtobufError) {
      var files: [File] = []
      for file in try DescriptorFields(bytes).parts(1) {
        let fields = try DescriptorFields(file)
        files.append(File(name: fields.text(1), bytes: file, fields: fields))
      }
      self.files = files
    } catch {
      throw GRPCError(.invalidDescriptors, "expected what protoc writes as --descriptor_set_out", cause: error)
    }
  }

  /// Reads a set that is kept as Base64 (RFC 4648 section 4, padded or not), as in a source file.
  /// - Throws: `GRPCError` (`invalidDescriptors`) when the text is not Base64 or the bytes are no such message.
  public init(base64 text: String) throws(GRPCError) {
    guard let bytes = Base64.decode(text.utf8) else {
      throw GRPCError(.invalidDescriptors, "expected a descriptor set in Base64")
    }
    try self.init(serialized: bytes)
  }
}

/// The fields of one descriptor, undecoded: the index looks at a few of them and hands the rest on as it is.
struct DescriptorFields: Sendable {
  private var delimited: [(number: UInt32, bytes: [UInt8])] = []
  private var varints: [(number: UInt32, value: UInt64)] = []

  init(_ bytes: [UInt8]) throws(ProtobufError) {
    var reader = try ProtobufReader(bytes.span)
    while let field = try reader.nextField() {
      switch field.wireType {
      case .lengthDelimited: delimited.append((field.number, try reader.readBytes()))
      case .varint: varints.append((field.number, try reader.readVarint()))
      default: try reader.skip(field)
      }
    }
  }

  /// Every value of a string, bytes or message field.
  func parts(_ number: UInt32) -> [[UInt8]] {
    delimited.compactMap { $0.number == number ? $0.bytes : nil }
  }

  /// Every value of a message field.
  func messages(_ number: UInt32) throws(ProtobufError) -> [DescriptorFields] {
    var messages: [DescriptorFields] = []
    for part in parts(number) { messages.append(try DescriptorFields(part)) }
    return messages
  }

  /// A string field; empty when it is absent.
  func text(_ number: UInt32) -> String {
    parts(number).last.map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  /// An `int32` field; 0 when it is absent.
  func int32(_ number: UInt32) -> Int32 {
    Int32(truncatingIfNeeded: varints.last { $0.number == number }?.value ?? 0)
  }
}
