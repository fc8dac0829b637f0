"""What stack.sh runs once there is a Python: the commands of the local stack."""

import sys

from stack.cli import main

if __name__ == "__main__":
    sys.exit(main())
