"""Whose an object is, and what follows from it: the model of `docs/ownership.md` in code."""
