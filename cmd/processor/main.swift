internal import Contexts
internal import ProcessingProgram
internal import ProcessingSettings
internal import Service
internal import Settings

runProgram(.processor, contexts: contexts) { settings, context in try ProcessorBody(settings, context) }
