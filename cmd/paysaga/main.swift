runPaysaga()
