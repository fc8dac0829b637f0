"""A PostgreSQL for one test, started as the local stack starts its own (stack/cluster.py).

    private_postgres.py make FOLDER       makes a cluster in FOLDER; exit status 69 where no server is installed
    private_postgres.py run FOLDER PORT   becomes the server, so that the caller's child is the postmaster
"""

import os
import subprocess
import sys
from pathlib import Path

from stack import cluster


def main(action: str, folder: str, port: str = "") -> int:
    data = Path(folder)
    if action == "make":
        if cluster.installed() is None:
            return os.EX_UNAVAILABLE
        data.mkdir(mode=0o700)
        cluster.give(data)
        cluster.initialise(data, subprocess.DEVNULL, is_durable=False)
        return os.EX_OK
    words = cluster.command(data, int(port), {})
    os.chdir("/")
    os.execvp(words[0], words)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
