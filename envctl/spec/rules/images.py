"""The image version: one that exists, of a generation that lives, pinned."""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Hint
from envctl.spec.image import ImageVersion, parse_image
from envctl.spec.model import Environment
from envctl.spec.nearest import nearest
from envctl.spec.rules.subject import Subject, Violation, hints, suggestion
from envctl.spec.tables import images, limits

_PATH = ("imageVersion",)


def check_image(subject: Subject) -> Iterator[Violation]:
    """Form, generation, existence and pinning of the image version."""
    if not isinstance(subject.spec, Environment):
        return
    name = subject.spec.image_version
    image = subject.image
    if image is None:
        detail = (
            f"`{name}` is not of the form `composer-3-airflow-2.10.5-build.10` or `composer-2.13.8-airflow-2.10.5`."
        )
        yield Violation("image-version-form", _PATH, detail, suggestion(nearest(name, images().names)))
        return
    yield from _check_life(image)
    if image.generation is None:
        detail = "`latest` moves: the same file would mean another image next week."
        yield Violation("image-version-moves", _PATH, detail, _newest(image))
        return
    if image.generation not in {2, 3}:
        return
    if image.generation == 3 and len(image.composer) > 1:
        yield Violation("image-version-form", _PATH, "In generation 3 the part after `composer-` is just `3`.")
    elif image.generation == 2 and image.build is not None:
        yield Violation("image-version-form", _PATH, "Only images of generation 3 have a build number.")
    elif image.moving:
        detail = f"Google chooses which image `{name}` stands for: the same file would mean another image next week."
        yield Violation("image-version-moves", _PATH, detail, _newest(image))
    elif name not in images().names:
        detail = f"This image version is not in the catalogue of {images().as_of}. New ones appear weekly."
        yield Violation("image-version-unknown", _PATH, detail, _newest(image))


def _check_life(image: ImageVersion) -> Iterator[Violation]:
    ended = limits().end_of_life
    if image.generation == 1:
        out = hints(
            "write `imageVersion: composer-3-airflow-2.10.5-build.19`; `envctl validate` then names the keys that changed",
            "the old environment cannot be upgraded in place: bring over DAGs, variables and connections by a snapshot, "
            "or by hand where the old environment is gone",
        )
        yield Violation("generation-ended", _PATH, f"Composer 1 ended on {ended}: it takes no new environments.", out)
    elif image.generation == 2 and image.composer[:2] == (2, 0):
        out = hints("upgrade to a later image of generation 2, which is possible in place")
        yield Violation("generation-ended", _PATH, f"Composer 2.0.x ended on {ended}.", out)
    elif image.generation is not None and image.generation > 3:
        yield Violation("image-version-form", _PATH, f"There is no generation {image.generation} of Composer.")


def _newest(image: ImageVersion) -> tuple[Hint, ...]:
    """The newest known image of the same generation and the same minor, else major, version of Airflow."""
    known = [parsed for each in images().names if (parsed := parse_image(each))]
    for depth in (2, 1):
        same = [
            each
            for each in known
            if each.airflow[:depth] == image.airflow[:depth] and image.generation in {None, each.generation}
        ]
        if same:
            best = max(same, key=lambda each: (each.generation or 0, each.airflow, each.composer, each.build or 0))
            return (Hint(f"the newest in the catalogue is `{best.name}`", replacement=best.name),)
    return ()
