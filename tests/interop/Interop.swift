import Protobuf

/// The messages of interop.proto, as far as the server looks at them.
enum Interop {
  /// Nothing.
  struct Empty: ProtobufMessage {
    mutating func decodeField(_ field: ProtobufField, from reader: inout ProtobufReader) throws(ProtobufError) {
      try reader.skip(field)
    }

    func encode(to writer: inout ProtobufWriter) {}
  }

  /// A payload; its type is always COMPRESSABLE, the only one.
  struct Payload: ProtobufMessage {
    var body: [UInt8] = []

    mutating func decodeField(_ field: ProtobufField, from reader: inout ProtobufReader) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (2, .lengthDelimited): body = try reader.readBytes()
      default: try reader.skip(field)
      }
    }

    func encode(to writer: inout ProtobufWriter) {
      writer.writeBytes(body, field: 2)
    }
  }

  /// A truth value that may be absent.
  struct BoolValue: ProtobufMessage {
    var value: Bool = false

    mutating func decodeField(_ field: ProtobufField, from reader: inout ProtobufReader) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .varint): value = try reader.readBool()
      default: try reader.skip(field)
      }
    }

    func encode(to writer: inout ProtobufWriter) {
      writer.writeBool(value, field: 1)
    }
  }

  /// The status to end with.
  struct EchoStatus: ProtobufMessage {
    var code: Int32 = 0
    var message: String = ""

    mutating func decodeField(_ field: ProtobufField, from reader: inout ProtobufReader) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .varint): code = try reader.readInt32()
      case (2, .lengthDelimited): message = try reader.readString()
      default: try reader.skip(field)
      }
    }

    func encode(to writer: inout ProtobufWriter) {
      writer.writeInt32(code, field: 1)
      writer.writeString(message, field: 2)
    }
  }

  /// What `UnaryCall` takes.
  struct SimpleRequest: ProtobufMessage {
    var responseSize: Int32 = 0
    var payload: Payload?
    var responseCompressed: BoolValue?
    var responseStatus: EchoStatus?
    var expectCompressed: BoolValue?

    mutating func decodeField(_ field: ProtobufField, from reader: inout ProtobufReader) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (2, .varint): responseSize = try reader.readInt32()
      case (3, .lengthDelimited): try reader.readMessage(into: &payload)
      case (6, .lengthDelimited): try reader.readMessage(into: &responseCompressed)
      case (7, .lengthDelimited): try reader.readMessage(into: &responseStatus)
      case (8, .lengthDelimited): try reader.readMessage(into: &expectCompressed)
      default: try reader.skip(field)
      }
    }

    func encode(to writer: inout ProtobufWriter) {
      writer.writeInt32(responseSize, field: 2)
      writer.writeMessage(payload, field: 3)
      writer.writeMessage(responseCompressed, field: 6)
      writer.writeMessage(responseStatus, field: 7)
      writer.writeMessage(expectCompressed, field: 8)
    }
  }

  /// What `UnaryCall` answers.
  struct SimpleResponse: ProtobufMessage {
    var payload: Payload?

    mutating func decodeField(_ field: ProtobufField, from reader: inout ProtobufReader) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .lengthDelimited): try reader.readMessage(into: &payload)
      default: try reader.skip(field)
      }
    }

    func encode(to writer: inout ProtobufWriter) {
      writer.writeMessage(payload, field: 1)
    }
  }

  /// What `StreamingInputCall` takes.
  struct StreamingInputCallRequest: ProtobufMessage {
    var payload: Payload?
    var expectCompressed: BoolValue?

    mutating func decodeField(_ field: ProtobufField, from reader: inout ProtobufReader) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .lengthDelimited): try reader.readMessage(into: &payload)
      case (2, .lengthDelimited): try reader.readMessage(into: &expectCompressed)
      default: try reader.skip(field)
      }
    }

    func encode(to writer: inout ProtobufWriter) {
      writer.writeMessage(payload, field: 1)
      writer.writeMessage(expectCompressed, field: 2)
    }
  }

  /// What `StreamingInputCall` answers.
  struct StreamingInputCallResponse: ProtobufMessage {
    var aggregatedPayloadSize: Int32 = 0

    mutating func decodeField(_ field: ProtobufField, from reader: inout ProtobufReader) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .varint): aggregatedPayloadSize = try reader.readInt32()
      default: try reader.skip(field)
      }
    }

    func encode(to writer: inout ProtobufWriter) {
      writer.writeInt32(aggregatedPayloadSize, field: 1)
    }
  }

  /// One response that is wanted.
  struct ResponseParameters: ProtobufMessage {
    var size: Int32 = 0
    var intervalMicroseconds: Int32 = 0
    var compressed: BoolValue?

    mutating func decodeField(_ field: ProtobufField, from reader: inout ProtobufReader) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .varint): size = try reader.readInt32()
      case (2, .varint): intervalMicroseconds = try reader.readInt32()
      case (3, .lengthDelimited): try reader.readMessage(into: &compressed)
      default: try reader.skip(field)
      }
    }

    func encode(to writer: inout ProtobufWriter) {
      writer.writeInt32(size, field: 1)
      writer.writeInt32(intervalMicroseconds, field: 2)
      writer.writeMessage(compressed, field: 3)
    }
  }

  /// What the calls that stream responses take.
  struct StreamingOutputCallRequest: ProtobufMessage {
    var responseParameters: [ResponseParameters] = []
    var payload: Payload?
    var responseStatus: EchoStatus?

    mutating func decodeField(_ field: ProtobufField, from reader: inout ProtobufReader) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (2, .lengthDelimited): try reader.appendMessage(to: &responseParameters)
      case (3, .lengthDelimited): try reader.readMessage(into: &payload)
      case (7, .lengthDelimited): try reader.readMessage(into: &responseStatus)
      default: try reader.skip(field)
      }
    }

    func encode(to writer: inout ProtobufWriter) {
      writer.writeMessages(responseParameters, field: 2)
      writer.writeMessage(payload, field: 3)
      writer.writeMessage(responseStatus, field: 7)
    }
  }

  /// What the calls that stream responses answer.
  struct StreamingOutputCallResponse: ProtobufMessage {
    var payload: Payload?

    mutating func decodeField(_ field: ProtobufField, from reader: inout ProtobufReader) throws(ProtobufError) {
      switch (field.number, field.wireType) {
      case (1, .lengthDelimited): try reader.readMessage(into: &payload)
      default: try reader.skip(field)
      }
    }

    func encode(to writer: inout ProtobufWriter) {
      writer.writeMessage(payload, field: 1)
    }
  }
}
