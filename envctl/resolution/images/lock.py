"""`images.lock`: the catalogue that answers for a repository, pinned, so that every machine gives the same verdicts.

The file lies beside `envctl.yaml` and belongs into the repository. It holds a digest per image and the image versions
that existed, so neither a newer envctl nor a list that somebody has at home changes an answer. A digest is over what
verdicts follow from (packages, requirements, extras, Python, pip), not over when or from where a list came: who takes
the same list from the same page has the same digest.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, NamedTuple

from envctl.errors import InvalidInputError
from envctl.resolution.catalogue import LOCK_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from envctl.resolution.image import Image

FORMAT = "envctl.images-lock/v1"


class ImagesLock(NamedTuple):
    """What is pinned: `sha256:...` of each image's list, and every image version that an alias may stand for."""

    images: dict[str, str]
    versions: frozenset[str]

    @property
    def digest(self) -> str:
        """Of the whole catalogue."""
        return _sha256({"images": self.images, "versions": sorted(self.versions)})


def image_digest(image: Image) -> str:
    """`sha256:...` of what verdicts on an image follow from."""
    record = image.record
    return _sha256(
        {
            "name": record.name,
            "python": record.python,
            "pip": record.pip,
            "complete": record.complete,
            "pairs": sorted(record.pairs),
            "packages": {
                name: [one.version, None if one.requires is None else sorted(one.requires)]
                for name, one in image.packages.items()
            },
            "left_out": sorted(image.left_out),
            "extras": {name: many for name, many in image.load_extras().items() if many},
        }
    )


def lock_of(images: Iterable[Image], versions: Iterable[str]) -> ImagesLock:
    """The lock of a catalogue as it is."""
    return ImagesLock({image.name: image_digest(image) for image in images}, frozenset(versions))


def lock_text(lock: ImagesLock) -> str:
    """The file: one image per line, so that a change can be reviewed."""
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(digest)}" for name, digest in lock.images.items())
    names = ",\n".join(f"  {json.dumps(name)}" for name in sorted(lock.versions))
    head = f'{{"format": "{FORMAT}", "digest": "{lock.digest}",\n'
    return f'{head} "images": {{\n{rows}\n }},\n "versions": [\n{names}\n ]}}\n'


def load_lock(root: Path) -> ImagesLock | None:
    """The lock of a project; None where it has none.

    Raises:
        InvalidInputError: the file is damaged, or was changed by hand.
    """
    path = root / LOCK_FILE
    try:
        content = path.read_bytes()
    except OSError:
        return None
    try:
        document = json.loads(content)
        lock = ImagesLock(dict(document["images"]), frozenset(document["versions"]))
        if document["format"] != FORMAT:
            raise InvalidInputError((), f"{path} has the format {document['format']!r}, expected {FORMAT!r}")
        if document["digest"] != lock.digest:
            raise InvalidInputError((), f"{path} was changed by hand or is cut: its digest is another")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInputError((), f"{path} is damaged: {error}") from error
    return lock


def _sha256(value: object) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
