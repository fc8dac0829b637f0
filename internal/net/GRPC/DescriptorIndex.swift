internal import Protobuf

/// Finds files by name, by what they declare and by the extensions in them. Never changes once made.
struct DescriptorIndex: Sendable {
  private struct File: Sendable {
    let bytes: [UInt8]
    let imports: [String]
  }
  private var files: [String: File] = [:]
  private var fileOfSymbol: [String: String] = [:]
  private var messageNames: Set<String> = []
  /// By the name of the extended message: the file of each number.
  private var extensions: [String: [Int32: String]] = [:]

  /// - Throws: `GRPCError` (`invalidDescriptors`) for descriptors that cannot be read, or that lack an import.
  init(_ sets: [DescriptorSet]) throws(GRPCError) {
    for file in sets.flatMap(\.files) where files[file.name] == nil {
      // A file that several sets bring, such as the well-known types, is the same in all of them.
      let imports = file.fields.parts(3).map { String(decoding: $0, as: UTF8.self) }
      files[file.name] = File(bytes: file.bytes, imports: imports)
      do throws(ProtobufError) {
        try declare(file.fields, in: file.name)
      } catch {
        throw GRPCError(.invalidDescriptors, "the descriptor of \(file.name) cannot be read", cause: error)
      }
    }
    for (name, file) in files {
      guard let missing = file.imports.first(where: { files[$0] == nil }) else { continue }
      throw GRPCError(
        .invalidDescriptors, "\(name) imports \(missing), which no descriptor set holds: use --include_imports")
    }
  }

  // MARK: Questions

  /// The file of this name, then all that it imports; nil when there is none.
  func file(named name: String) -> [[UInt8]]? {
    guard files[name] != nil else { return nil }
    var found = [name]
    var position = 0
    var known: Set = [name]
    while position < found.count {
      for imported in files[found[position]]?.imports ?? [] where known.insert(imported).inserted {
        found.append(imported)
      }
      position += 1
    }
    return found.compactMap { files[$0]?.bytes }
  }

  /// The file that declares this full name, then all that it imports.
  func file(declaring symbol: String) -> [[UInt8]]? { fileOfSymbol[symbol].flatMap(file(named:)) }

  /// The file that declares an extension, then all that it imports.
  func file(extending message: String, number: Int32) -> [[UInt8]]? {
    extensions[message]?[number].flatMap(file(named:))
  }

  /// The numbers of a message's extensions, ascending; nil when there is no such message.
  func extensionNumbers(of message: String) -> [Int32]? {
    messageNames.contains(message) ? extensions[message, default: [:]].keys.sorted() : nil
  }

  func declares(_ symbol: String) -> Bool { fileOfSymbol[symbol] != nil }

  // MARK: Building

  // The numbers are those of descriptor.proto: the fields of FileDescriptorProto, DescriptorProto, EnumDescriptorProto,
  // ServiceDescriptorProto and FieldDescriptorProto. In each of them but the first, field 1 is the name.

  private mutating func declare(_ file: DescriptorFields, in name: String) throws(ProtobufError) {
    let scope = file.text(2)
    for message in try file.messages(4) { try declare(message: message, scope, name) }
    for type in try file.messages(5) { try declare(enum: type, scope, name) }
    for service in try file.messages(6) {
      let full = add(service, scope, name)
      for method in try service.messages(2) { add(method, full, name) }
    }
    for field in try file.messages(7) { declare(extension: field, scope, name) }
  }

  private mutating func declare(
    message: DescriptorFields, _ scope: String, _ file: String
  ) throws(ProtobufError) {
    let full = add(message, scope, file)
    messageNames.insert(full)
    for field in try message.messages(2) { add(field, full, file) }
    for nested in try message.messages(3) { try declare(message: nested, full, file) }
    for type in try message.messages(4) { try declare(enum: type, full, file) }
    for field in try message.messages(6) { declare(extension: field, full, file) }
    for oneof in try message.messages(8) { add(oneof, full, file) }
  }

  /// An enum's values are names beside it, not inside it.
  private mutating func declare(enum type: DescriptorFields, _ scope: String, _ file: String) throws(ProtobufError) {
    add(type, scope, file)
    for value in try type.messages(2) { add(value, scope, file) }
  }

  private mutating func declare(extension field: DescriptorFields, _ scope: String, _ file: String) {
    add(field, scope, file)
    // protoc writes the extended message with a leading dot, fully qualified.
    extensions[String(field.text(2).drop { $0 == "." }), default: [:]][field.int32(3)] = file
  }

  @discardableResult
  private mutating func add(_ part: DescriptorFields, _ scope: String, _ file: String) -> String {
    let full = scope.isEmpty ? part.text(1) : "\(scope).\(part.text(1))"
    fileOfSymbol[full] = file
    return full
  }
}
