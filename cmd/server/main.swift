internal import Contexts
internal import SagaServer
internal import SagaSettings
internal import Service
internal import Settings

runProgram(.server, contexts: contexts) { settings, context in try ServerBody(settings, context) }
