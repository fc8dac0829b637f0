package import Protobuf
import SagaMessages
import StandardMessages

/// Every message type there is, by its full name.
package enum MessageTypes {
  package static let all: [any ProtobufNamedMessage.Type] = [
    PaymentsV1.Payment.self, PaymentsV1.CreatePaymentRequest.self, PaymentsV1.GetPaymentRequest.self,
    PaymentsV1.UpdatePaymentStatusRequest.self, PaymentsV1.ListPaymentsRequest.self,
    PaymentsV1.ListPaymentsResponse.self, PaymentsV1.WatchPaymentRequest.self,
    PaymentsAPI.PayStatus.self, PaymentsAPI.Pong.self,
    GoogleProtobuf.Empty.self, GoogleProtobuf.Timestamp.self, GoogleProtobuf.Duration.self,
    GoogleProtobuf.AnyMessage.self,
    GoogleRPC.Status.self, GoogleRPC.ErrorInfo.self, GoogleRPC.RetryInfo.self, GoogleRPC.BadRequest.self,
    GoogleRPC.BadRequest.FieldViolation.self,
    GRPCHealthV1.HealthCheckRequest.self, GRPCHealthV1.HealthCheckResponse.self, GRPCHealthV1.HealthListRequest.self,
    GRPCHealthV1.HealthListResponse.self,
    GRPCReflectionV1.ServerReflectionRequest.self, GRPCReflectionV1.ExtensionRequest.self,
    GRPCReflectionV1.ServerReflectionResponse.self, GRPCReflectionV1.FileDescriptorResponse.self,
    GRPCReflectionV1.ExtensionNumberResponse.self, GRPCReflectionV1.ListServiceResponse.self,
    GRPCReflectionV1.ServiceResponse.self, GRPCReflectionV1.ErrorResponse.self,
    AllTypes.self,
  ]

  package static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.protobufName, $0) })
}
