"""The rules of CONTRIBUTING.md that neither the compiler nor swift format keeps; see rules/cli.py."""

import sys

from rules.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
