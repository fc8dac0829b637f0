internal import CLI
internal import Contexts

runPaysaga(contexts: contexts, lines: migrationLines)
