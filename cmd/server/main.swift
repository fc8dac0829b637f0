internal import Config
internal import ProgramSupport
internal import ServerApp

runProgram(.server) { context in try ServerBody(context) }
