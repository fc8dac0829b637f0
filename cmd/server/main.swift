internal import SagaServer
internal import SagaSettings
internal import Service
internal import Settings

runProgram(.server) { context in try ServerBody(context) }
