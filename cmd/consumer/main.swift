internal import Config
internal import ConsumerApp
internal import ProgramSupport

runProgram(.consumer) { context in ConsumerBody(context) }
