"""Where an image is: `HOST/REPOSITORY:TAG`, `HOST/REPOSITORY@sha256:...`, or both."""

from __future__ import annotations

import re
from typing import NamedTuple

from envctl.errors import UsageError
from envctl.image_versions import image_order

_HOST, _PROJECT = "us-docker.pkg.dev", "cloud-airflow-releaser"
_REFERENCE = re.compile(
    r"(?P<host>[A-Za-z0-9.-]+(?::[0-9]+)?|\[[0-9A-Fa-f:]+\](?::[0-9]+)?)"
    r"/(?P<repository>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


class ImageReference(NamedTuple):
    """An image of a registry; `digest` is empty where only a tag is named."""

    host: str
    repository: str
    tag: str
    digest: str

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.host}/{self.repository}{tag}{f'@{self.digest}' if self.digest else ''}"

    @property
    def wanted(self) -> str:
        """What the registry is asked for: the digest where one is named, since tags move."""
        return self.digest or self.tag

    @property
    def base(self) -> str:
        """The address of the repository. A registry on this machine speaks plain HTTP, as Docker takes it."""
        name = self.host if self.host.endswith("]") else self.host.rpartition(":")[0] or self.host
        scheme = "http" if name in _LOOPBACK else "https"
        return f"{scheme}://{self.host}/v2/{self.repository}"


def parse_reference(text: str) -> ImageReference:
    """The image that a text names.

    Raises:
        UsageError: it names none.
    """
    match = _REFERENCE.fullmatch(text)
    if match is None or not (match["tag"] or match["digest"]):
        raise UsageError(
            "This is no image of a registry",
            detail=f"`{text}` does not look like `HOST/REPOSITORY:TAG` or `HOST/REPOSITORY@sha256:DIGEST`.",
            code="registry-reference",
        )
    return ImageReference(match["host"], match["repository"], match["tag"] or "", match["digest"] or "")


def worker_image(name: str) -> ImageReference:
    """Where Google publishes the worker's image of an image version.

    The repository is named after the Airflow version; tags of Composer 2 write that with dashes
    (us-docker.pkg.dev/cloud-airflow-releaser, seen 2026-11-30).

    Raises:
        UsageError: images of that generation are not published so.
    """
    composer, airflow, _ = image_order(name)
    if composer[:1] < (2,):
        raise UsageError(
            "Nobody knows where the image of this version is",
            detail=f"{name}: only images of Composer 2 and 3 are published under a known name.",
            hints=(f"Name it:\n    envctl images add {name} --from-registry HOST/REPOSITORY:TAG",),
            code="registry-reference",
        )
    dashed = "-".join(map(str, airflow))
    tag = name if composer[0] >= 3 else f"{name.partition('-airflow-')[0]}-airflow-{dashed}"
    repository = f"{_PROJECT}/airflow-worker-scheduler-{dashed}/airflow-worker-scheduler-{dashed}"
    return ImageReference(_HOST, repository, tag, "")
