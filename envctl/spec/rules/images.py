"""The image version: one that exists, of a generation that lives, pinned."""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Hint
from envctl.image_versions import announced_end, end_of, is_current, newest_image
from envctl.spec.image import ImageVersion, parse_image
from envctl.spec.model import Environment
from envctl.spec.nearest import nearest
from envctl.spec.rules.subject import Subject, Violation, hints, suggestion
from envctl.spec.tables import images

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
        yield Violation("image-version-form", _PATH, detail, _meant(name, subject.today))
        return
    yield from _check_life(image, subject.today)
    if image.generation is None:
        detail = "`latest` moves: the same file would mean another image next week."
        yield Violation("image-version-moves", _PATH, detail, _newest(image, subject.today))
        return
    if image.generation not in {2, 3}:
        return
    if image.generation == 3 and len(image.composer) > 1:
        yield Violation("image-version-form", _PATH, "In generation 3 the part after `composer-` is just `3`.")
    elif image.generation == 2 and image.build is not None:
        yield Violation("image-version-form", _PATH, "Only images of generation 3 have a build number.")
    elif image.moving:
        detail = f"Google chooses which image `{name}` stands for: the same file would mean another image next week."
        yield Violation("image-version-moves", _PATH, detail, _newest(image, subject.today))
    elif name not in images().names:
        detail = f"This image version is not in the catalogue of {images().as_of}. New ones appear weekly."
        yield Violation("image-version-unknown", _PATH, detail, _newest(image, subject.today))


def _check_life(image: ImageVersion, today: str) -> Iterator[Violation]:
    ended = announced_end(image.name)
    if image.generation == 1:
        best = newest_image("composer-3-airflow-2", _current(today))
        out = hints(
            f"write `imageVersion: {best}`; `envctl validate` then names the keys that changed",
            "the old environment cannot be upgraded in place: bring over DAGs, variables and connections by a snapshot, "
            "or by hand where the old environment is gone",
        )
        yield Violation("generation-ended", _PATH, f"Composer 1 ended on {ended}: it takes no new environments.", out)
    elif image.generation == 2 and image.composer[:2] == (2, 0):
        out = hints("upgrade to a later image of generation 2, which is possible in place")
        yield Violation("generation-ended", _PATH, f"Composer 2.0.x ended on {ended}.", out)
    elif image.generation is not None and image.generation > 3:
        yield Violation("image-version-form", _PATH, f"There is no generation {image.generation} of Composer.")


def _meant(name: str, today: str) -> tuple[Hint, ...]:
    """What was probably meant, and where that has ended, what to take instead."""
    near = nearest(name, images().names)
    meant = parse_image(near) if near else None
    if near is None or meant is None or is_current(near, today):
        return suggestion(near)
    instead = [
        each._replace(text=f"its support ended on {end_of(near)}; {each.text}") for each in _newest(meant, today)
    ]
    return (*suggestion(near), *instead)


def _newest(image: ImageVersion, today: str) -> tuple[Hint, ...]:
    """The newest supported image of the same generation and the same minor, else major, version of Airflow."""
    generation = image.generation or "latest"
    for depth in (2, 1):
        wanted = ".".join(map(str, image.airflow[:depth]))
        best = newest_image(f"composer-{generation}-airflow-{wanted}", _current(today))
        if best is not None:
            return (Hint(f"the newest in the catalogue is `{best}`", replacement=best),)
    return ()


def _current(today: str) -> list[str]:
    return [name for name in images().names if is_current(name, today)]
