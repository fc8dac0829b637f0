internal import DevKafka

runDevKafka()
