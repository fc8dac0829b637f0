"""Imports: declared where used, used where declared, and pointing one way."""

from collections.abc import Iterator

from .layers import SYSTEM, is_below, layer_of, may_import
from .package import Package, Target


def dependencies(package: Package) -> Iterator[str]:
    """Dependencies that are declared and unused, or used and undeclared."""
    modules = package.by_module()
    for target in package.targets.values():
        if target.is_system or not target.imports:
            continue
        used = {modules[module].name for module in target.imported() if module in modules} - {target.name}
        for name in sorted(target.dependencies - used):
            yield f"Package.swift: {target.name} declares the dependency {name} and imports it nowhere"
        for name in sorted(used - target.dependencies):
            file = next(file for file, found in target.imports.items() if package.targets[name].module in found)
            yield f"{file}: {target.name} imports {name}, which Package.swift does not declare for it"


def direction(package: Package) -> Iterator[str]:
    """Imports against the direction of the layers."""
    modules = package.by_module()
    for target in package.targets.values():
        if target.is_system or is_below(target.folder, SYSTEM):
            continue
        layer = layer_of(target.folder)
        if layer is None:
            yield f"{target.folder}: {target.name} lies in no layer of internal/stack/rules/layers.py"
            continue
        for file, found in target.imports.items():
            for module in sorted(found):
                other = modules.get(module)
                if other is None:
                    if layer.outside is not None and module not in layer.outside:
                        yield f"{file}: {layer.folder} may not import {module}"
                elif not is_system(other) and other is not target and not may_import(layer, other.folder):
                    yield f"{file}: {layer.folder} may not import {module} of {other.folder}"


def is_system(target: Target) -> bool:
    return is_below(target.folder, SYSTEM)


def c_libraries(package: Package) -> Iterator[str]:
    """C libraries that several modules import."""
    for library in filter(is_system, package.targets.values()):
        users = sorted(target.name for target in package.targets.values() if library.module in target.imported())
        if len(users) > 1:
            yield f"the C library {library.name} is imported by several modules: {', '.join(users)}"


def products(package: Package) -> Iterator[str]:
    """Library products that lack a module whose types appear in the API of theirs: their users could not import it."""
    modules = package.by_module()
    for product in package.products:
        if not product.is_library:
            continue
        for name in sorted(product.targets):
            exposed = {modules[module].name for module in package.targets[name].exposed if module in modules}
            for other in sorted(exposed - product.targets):
                yield f"Package.swift: the product {product.name} lacks {other}, which is in the API of {name}"
