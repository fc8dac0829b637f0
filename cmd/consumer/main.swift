internal import SagaConsumer
internal import SagaSettings
internal import Service
internal import Settings

runProgram(.consumer) { context in ConsumerBody(context) }
