"""The image's generation is still supported.

Generation 1 and versions 2.0.x ended on 2026-09-15: no new environments, no updates. Newer images are supported for
a year after their release; `envctl images list` shows the days.
"""

from __future__ import annotations

from collections.abc import Iterator

from envctl.diagnostics import Severity
from envctl.doctor.case import Case
from envctl.doctor.check import Check, Voice, spec_change
from envctl.doctor.model import Finding
from envctl.image_versions import announced_end, image_versions, is_current, newest_image

_VOICE = Voice("env.image-eol", Severity.ERROR)


def _run(case: Case) -> Iterator[Finding]:
    image, setting = case.spec.image_version, case.setting
    if setting.generation == 0:
        yield _VOICE.skipped("The image's name shows no generation.", resource=image)
    elif (end := announced_end(image)) is not None:
        versions = image_versions()
        current = [name for name in versions.releases if is_current(name, versions.as_of)]
        best = newest_image("composer-3-airflow-2", current)
        fix = spec_change(f"imageVersion: {best}   # then: envctl deps check")
        yield _VOICE.failed(f"{image} is past its end of {end}.", resource=image, fixes=(fix,))
    else:
        yield _VOICE.ok("the generation is supported", resource=image)


CHECK = Check(("env.image-eol",), _run, operations=("create", "upgrade", "update", "packages"), offline=True)
