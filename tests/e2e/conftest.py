"""The fixtures are those of the harness, which other folders of tests use, too."""

pytest_plugins = ["harness.fixtures"]
