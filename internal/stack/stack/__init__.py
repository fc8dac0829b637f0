"""The local stack: PostgreSQL, Redis, devkafka and the programs, started and stopped without Docker.

Standard library only: it runs with Debian's python3 before anything else is installed. `table.py` lists the servers and
programs; a new program is one entry there.
"""
