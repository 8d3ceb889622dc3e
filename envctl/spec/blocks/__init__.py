"""The blocks of an environment file, by subject. Import them from `envctl.spec.model`.

Annotations are evaluated here, without `from __future__ import annotations`: pydantic would compile every one of
them from text, which costs a third of the start-up time of `envctl validate`. The text under a field is its
documentation: `envctl schema` and `docs/environment-file.md` are made from it.
"""
