internal import CLI

runPaysaga()
