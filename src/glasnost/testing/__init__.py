"""Help for testing programs that use Glasnost, and Glasnost itself.

``glasnost.testing.lab`` is a small internet made of real kernels. Each helper is a module of its
own, imported by name, so that using one does not import what another needs.
"""
