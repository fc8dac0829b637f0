internal import Contexts
internal import GatewayServer
internal import GatewaySettings
internal import Service
internal import Settings

runProgram(.gateway, contexts: contexts) { settings, context in try GatewayBody(settings, context) }
