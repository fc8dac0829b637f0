internal import Config
internal import ServerApp
internal import ProgramSupport

runProgram(.server) { context in ServerBody(context) }
