internal import Contexts
internal import SagaConsumer
internal import SagaSettings
internal import Service
internal import Settings

runProgram(.consumer, contexts: contexts) { settings, context in ConsumerBody(settings, context) }
