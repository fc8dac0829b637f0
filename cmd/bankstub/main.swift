internal import BankStub
internal import BankStubSettings
internal import Contexts
internal import Service
internal import Settings

runProgram(.bankStub, contexts: contexts) { settings, context in BankStubBody(settings, context) }
