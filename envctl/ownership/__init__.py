"""Whose is it: what a stack may make, take back, use or delete. The model stands in `docs/ownership.md`.

`looking` finds what is in the cloud already, `claims` says what follows from it.
"""
