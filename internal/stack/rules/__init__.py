"""The rules of CONTRIBUTING.md that neither the compiler nor swift format keeps. Part of `make lint`.

`layers.py` holds the layout as data: moving a folder or adding a context is an edit there. Standard library only.
"""
