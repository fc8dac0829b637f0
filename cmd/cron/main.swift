internal import Config
internal import CronApp
internal import ProgramSupport

runProgram(.cron) { context in CronBody(context) }
