internal import CLI
internal import Contexts

runPaysaga(contexts: contexts, migrations: migrations)
