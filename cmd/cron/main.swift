internal import Contexts
internal import SagaCron
internal import SagaSettings
internal import Service
internal import Settings

runProgram(.cron, contexts: contexts) { settings, context in CronBody(settings, context) }
