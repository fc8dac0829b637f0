internal import SagaCron
internal import SagaSettings
internal import Service
internal import Settings

runProgram(.cron) { context in CronBody(context) }
