"""The roles of the local stack's database, each with a password of its own, made at random and kept in STACK_DIR.

`paysaga migrate roles` and `migrate grants` say what there is and what it may do; this gives passwords, and makes the
database the saga owner's.
"""

import json
import os
import re
import secrets
from pathlib import Path

# Made when the cluster is: a superuser, for tests and repairs. No program logs in as it.
SUPERUSER = "payments"
# Whose rights the command line has: the owner of each context's tables.
OWNERS = {
    "DB_DSN": "paysaga_saga_owner",
    "PROCESSING_DSN": "paysaga_processing_owner",
    "GATEWAY_DSN": "paysaga_gateway_owner",
}


def read(file: Path) -> dict[str, str]:
    """The password of each role; empty before the first start."""
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def password(file: Path, role: str) -> str:
    """The role's password, made now where it has none."""
    found = read(file)
    if role not in found:
        found[role] = secrets.token_hex(16)
        new = file.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
            json.dump(found, output, indent=2)
        new.replace(file)
    return found[role]


def named(creation: str) -> list[str]:
    """The roles that the SQL of `paysaga migrate roles` makes."""
    return sorted(set(re.findall(r"CREATE ROLE (\w+)", creation)))


def statements(creation: str, passwords: dict[str, str], database: str) -> str:
    """SQL that makes the roles with these passwords and gives them the database."""
    own = OWNERS["DB_DSN"]
    return "\n".join([
        creation,
        *(f"ALTER ROLE {role} PASSWORD '{word}';" for role, word in passwords.items()),
        f"ALTER DATABASE {database} OWNER TO {own};",
        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC;",
        f"GRANT CONNECT ON DATABASE {database} TO {', '.join(passwords)};",
        # For their schemas.
        f"GRANT CREATE ON DATABASE {database} TO {', '.join(sorted(OWNERS.values()))};",
    ])
