"""The packages of an image of a registry, from its reference alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from envctl.errors import OutsideError
from envctl.resolution.images.registry.client import Registry
from envctl.resolution.images.registry.layers import ImageFiles
from envctl.resolution.images.registry.site_packages import Installation, find_installation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from envctl.resolution.images.registry.reference import ImageReference


class LayerProgress(NamedTuple):
    """How far a reading is: the layer (from 1) of how many, and bytes of the whole image that are here."""

    layer: int
    layers: int
    done: int
    size: int


class RegistryImage(NamedTuple):
    """What an image holds: `digest` of the manifest that was asked for, since tags move."""

    reference: ImageReference
    digest: str
    installation: Installation


def read_registry_image(
    reference: ImageReference,
    cache: Path,
    *,
    google_token: Callable[[], str | None] | None = None,
    progress: Callable[[LayerProgress], None] | None = None,
    transport: httpx.BaseTransport | None = None,
) -> RegistryImage:
    """Reads an image for Linux on amd64, layer by layer; of its files only the metadata of packages are looked at.

    Layers are fetched into `cache` and removed once the image is read; those of a reading that stopped stay, so that
    the next one goes on from there.

    Raises:
        OutsideError: the registry, a digest, a layer, or no Airflow in it.
    """
    files = ImageFiles()
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutsideError(
            "Layers cannot be kept", detail=f"{cache}: {error.strerror}", code="file-unwritable"
        ) from error
    with Registry(reference, google_token, transport) as registry:
        manifest = registry.manifest()
        size, before = sum(layer.size for layer in manifest.layers), 0
        paths: list[Path] = []
        for number, layer in enumerate(manifest.layers, 1):
            path = cache / layer.digest.replace(":", "-")

            def tell(done: int, number: int = number, before: int = before) -> None:
                if progress is not None:
                    progress(LayerProgress(number, len(manifest.layers), before + done, size))

            if not path.is_file():
                registry.download(layer, path, tell)
            files.add_layer(path, f"{reference}, layer {layer.digest}")
            tell(layer.size)
            before += layer.size
            paths.append(path)
    installation = find_installation(files, manifest.config, str(reference))
    for path in paths:
        path.unlink(missing_ok=True)
    return RegistryImage(reference, manifest.digest, installation)
