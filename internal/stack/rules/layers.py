"""Who may import whom, as data.

A layer is a folder with all modules below it; the longest folder that fits decides. Modules of one layer may import each
other, those of layers inside its folder, and those of the layers that are named; a name stands for the layers inside
its folder, too. Every other folder of internal/ is a context. Contexts do not import each
other, except those of LIBRARIES.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layer:
    folder: str
    # Folders of the layers whose modules it may import.
    imports: tuple[str, ...] = ()
    # What it may import from outside the package; None for anything.
    outside: tuple[str, ...] | None = None


KIT = "internal/kit"
NET = "internal/net"
DATA = "internal/data"
SERVICE = "internal/service"

# The folders of internal/ that are no context.
SHARED = ("kit", "net", "data", "service", "cli", "system", "stack")

ROOT = Path(__file__).resolve().parents[3]
CONTEXTS = tuple(sorted(
    f"internal/{folder.name}" for folder in (ROOT / "internal").iterdir()
    if folder.is_dir() and folder.name not in SHARED))

# What a context may use of others: libraries that share its transactions, and the messages of services that it calls.
LIBRARIES = {
    "internal/direct": ("internal/saga/Messages",),
    "internal/gateway": ("internal/direct", "internal/processing", "internal/ledger", "internal/risk"),
    "internal/processing": ("internal/direct", "internal/ledger", "internal/risk"),
    "internal/risk": ("internal/direct",),
}


def _values(libraries: tuple[str, ...]) -> tuple[str, ...]:
    """The modules of libraries that a Domain may use. A card is a value, although locked memory keeps its number."""
    modules = (f"{library}/{module}" for library in libraries for module in ("Domain", "Cards"))
    return tuple(module for module in modules if (ROOT / module).is_dir())


LAYERS = (
    # Values, threads, logs, settings: under everything.
    Layer(KIT),
    # The network and the stores do not know each other. None of them knows a context.
    Layer(NET, (KIT,)),
    Layer(DATA, (KIT,)),
    # Running a program: its lifecycle and its admin endpoint, which is served over HTTP. No client knows it: who uses
    # one as a library brings a lifecycle of its own, and `ServicePart` in Runtime is all that it needs to fit in.
    Layer(SERVICE, (KIT, NET)),
    # The contexts. Each has a pure Domain: no client, no storage engine, no Foundation, nothing that waits.
    *(
        layer
        for context in CONTEXTS
        for layer in (
            Layer(context, (KIT, NET, DATA, SERVICE, *LIBRARIES.get(context, ()))),
            Layer(
                f"{context}/Domain",
                (*(f"{KIT}/{module}" for module in ("Errors", "Money", "Values", "Tracing")),
                 *_values(LIBRARIES.get(context, ()))),
                outside=("Synchronization",)),
        )
    ),
    # The programs and what drives them.
    Layer("internal/cli", (KIT, NET, DATA, *CONTEXTS)),
    Layer("cmd", ("internal",)),
    Layer("bench", ("internal",)),
    Layer("tests", ("internal", "cmd")),
)

# Module maps of the C libraries; each is imported by one module.
SYSTEM = "internal/system"


def layer_of(folder: str) -> Layer | None:
    """The layer with the longest folder that holds this one."""
    fitting = [layer for layer in LAYERS if is_below(folder, layer.folder)]
    return max(fitting, key=lambda layer: len(layer.folder), default=None)


def is_below(folder: str, parent: str) -> bool:
    return folder == parent or folder.startswith(f"{parent}/")


def may_import(layer: Layer, folder: str) -> bool:
    """Whether modules of the layer may import the module in `folder`."""
    return any(is_below(folder, allowed) for allowed in (layer.folder, *layer.imports))
