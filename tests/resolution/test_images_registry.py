"""`images add --from-registry`: an image's packages out of its layers; registries and layers that misbehave."""

from __future__ import annotations

import gzip
import io
import json
import resource
import socket
import subprocess
import sys
import tarfile
import time
from datetime import date
from pathlib import Path

import httpx
import pytest
import zstandard
from image_layers import (
    OCI_INDEX,
    SITE,
    BuiltImage,
    digest,
    installed,
    layer,
    link,
    metadata,
    registry_of,
    tar,
)

from envctl.actions.images import ReadImageRequest, add_registry_image, show_image
from envctl.cli import run
from envctl.errors import OutsideError, UsageError
from envctl.resolution.catalogue import Catalogue
from envctl.resolution.image import Basis
from envctl.resolution.images.registry import layers as layer_rules
from envctl.resolution.images.registry.client import Registry
from envctl.resolution.images.registry.reading import read_registry_image
from envctl.resolution.images.registry.reference import parse_reference, worker_image

REGISTRY = Path(__file__).parents[2] / ".cache" / "registry" / "bin" / "registry"

NAME = "composer-2.99.0-airflow-2.10.5"
AIRFLOW = ("apache-airflow", "2.10.5+composer", "pandas<3", "redis ; extra == 'celery'")
BASE = {
    "usr/bin/python3.11": b"\x7fELF Debian 3.11.2 ",
    **installed(("python-apt", "2.6.0"), ("pip", "23.0.1"), site="usr/lib/python3/dist-packages"),
    **installed(
        ("pip", "24.9"),
        ("grpcio", "1.0"),
        site="usr/lib/google-cloud-sdk/platform/bundledpython/lib/python3.12/site-packages",
    ),
}
OWN = {
    "opt/python3.11/include/python3.11/patchlevel.h": b'#define PY_VERSION             "3.11.8"\n',
    **installed(AIRFLOW, ("pandas", "2.1.4", "numpy>=1.22"), ("pip", "23.2.1"), ("numpy", "1.26.4")),
}


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("ENVCTL_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "envctl.yaml").write_text("name: acme\n")


def read(image: BuiltImage, tmp_path, answer=None, **settings):
    with registry_of(image, answer) as server:
        return read_registry_image(parse_reference(server.reference), tmp_path / "layers", **settings)


def packages(image: BuiltImage, tmp_path) -> dict[str, str]:
    return {one.name: one.version for one in read(image, tmp_path).installation.packages}


PINS = {"apache-airflow": "2.10.5+composer", "numpy": "1.26.4", "pandas": "2.1.4", "pip": "23.2.1"}


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        zstandard.ZstdCompressor().compress,
        bytes,
        lambda one: gzip.compress(one[:512]) + gzip.compress(one[512:]),
    ],
    ids=["gzip", "zstd", "plain", "gzip of several members"],
)
def test_only_the_packages_of_airflows_python_are_taken(tmp_path, pack):
    image = BuiltImage(layer(BASE, pack), layer(OWN, pack))
    found = read(image, tmp_path)
    assert {one.name: one.version for one in found.installation.packages} == PINS
    assert found.installation.python == "3.11.8"
    assert found.installation.path == (SITE,)
    assert found.digest == image.digest
    (airflow,) = [one for one in found.installation.packages if one.name == "apache-airflow"]
    assert airflow.metadata.requires_dist == AIRFLOW[2:]
    assert list((tmp_path / "layers").iterdir()) == []


def test_of_several_platforms_that_of_the_workers_is_taken(tmp_path):
    image = BuiltImage(layer(OWN), index=True)
    assert read(image, tmp_path).digest == image.digest
    index = json.loads(image.top)
    index["manifests"] = index["manifests"][:1]
    image.top = json.dumps(index).encode()
    with pytest.raises(OutsideError, match="cannot be read") as raised:
        read(image, tmp_path)
    assert "linux/arm64, not for linux/amd64" in raised.value.detail


def without(*names: str, **more: bytes) -> BuiltImage:
    return BuiltImage(layer(OWN), layer({**dict.fromkeys(names, b""), **more}))


@pytest.mark.parametrize(
    ("upper", "missing"),
    [
        ({f"{SITE}/.wh.numpy-1.26.4.dist-info": b""}, {"numpy"}),
        ({f"{SITE}/numpy-1.26.4.dist-info/.wh.METADATA": b""}, {"numpy"}),
        ({f"{SITE}/pandas-2.1.4.dist-info/.wh..wh..opq": b""}, {"pandas"}),
        ({f"{SITE}/numpy-1.26.4.dist-info": b"a file now"}, {"numpy"}),
        ({f"{SITE}/.wh.numpy": b""}, set()),
    ],
    ids=["folder", "file", "opaque folder", "folder replaced by a file", "another folder"],
)
def test_what_an_upper_layer_takes_away_is_gone(tmp_path, upper, missing):
    image = BuiltImage(layer(OWN), layer(upper))
    assert packages(image, tmp_path).keys() == PINS.keys() - missing


def test_a_folder_that_hides_its_past_keeps_what_its_own_layer_brings(tmp_path):
    upper = {**installed(AIRFLOW, ("only", "1.0")), f"{SITE}/.wh..wh..opq": b""}
    assert packages(BuiltImage(layer(OWN), layer(upper)), tmp_path) == {
        "apache-airflow": "2.10.5+composer",
        "only": "1.0",
    }


def test_an_upgrade_in_an_upper_layer_leaves_one_version(tmp_path):
    upper = {f"{SITE}/.wh.pandas-2.1.4.dist-info": b"", **installed(("pandas", "2.2.0"))}
    assert packages(BuiltImage(layer(OWN), layer(upper)), tmp_path)["pandas"] == "2.2.0"


def test_eggs_links_and_path_files_count(tmp_path):
    upper = {
        f"{SITE}/old_one-1.0-py3.11.egg-info/PKG-INFO": b"Metadata-Version: 1.0\nName: old-one\nVersion: 1.0\n",
        f"{SITE}/old_one-1.0-py3.11.egg-info/requires.txt": b"numpy>=1\n\n[more]\nredis\n\n[:python_version<'3']\nsix\n",
        f"{SITE}/flat-2.0.egg-info": b"Metadata-Version: 1.0\nName: flat\nVersion: 2.0\n",
        f"{SITE}/more.pth": b"import evil\n/opt/extra\n",
        **installed(("beside", "3.0"), ("numpy", "9.9"), site="opt/extra"),
        "root/.cache/uv/archive/hard-4.0.dist-info/METADATA": metadata("hard", "4.0"),
        f"{SITE}/hard-4.0.dist-info/METADATA": link(
            "root/.cache/uv/archive/hard-4.0.dist-info/METADATA", tarfile.LNKTYPE
        ),
    }
    found = read(BuiltImage(layer(OWN), layer(upper)), tmp_path).installation
    pins = {one.name: one.version for one in found.packages}
    assert pins == {**PINS, "old-one": "1.0", "flat": "2.0", "beside": "3.0", "hard": "4.0"}
    assert found.path == (SITE, "opt/extra")
    (old,) = [one for one in found.packages if one.name == "old-one"]
    assert old.metadata.requires_dist == ("numpy>=1", 'redis ; extra == "more"', "six ; (python_version<'3')")
    assert old.metadata.provides_extra == ("more",)


def test_a_python_behind_a_link_is_the_same_python(tmp_path):
    files = {one.replace("opt/python3.11/", "opt/python3.11.8/"): text for one, text in OWN.items()}
    image = BuiltImage(
        layer({**files, "opt/python3.11": link("python3.11.8")}),
        env=["PYTHONPATH=/opt/python3.11/lib/python3.11/site-packages"],
    )
    assert packages(image, tmp_path) == PINS


@pytest.mark.parametrize(
    ("files", "env", "python"),
    [
        ({"opt/python3.11/bin/python3.11": b"x" * 300_000 + b" 3.11.9 " + b"y" * 300_000}, [], "3.11.9"),
        ({}, ["PYTHON_VERSION=3.11.7"], "3.11.7"),
        ({}, ["PYTHON_VERSION=3.12.1"], "3.11"),
        ({"opt/python3.11/bin/python3.11": b"3.11.1 3.11.2"}, [], "3.11"),
    ],
)
def test_the_patch_version_is_what_the_image_says(tmp_path, files, env, python):
    own = {name: text for name, text in OWN.items() if not name.endswith(".h")}
    assert read(BuiltImage(layer({**own, **files}), env=env), tmp_path).installation.python == python


def test_of_two_pythons_with_airflow_that_of_path_is_taken(tmp_path):
    other = installed(("apache-airflow", "2.9.3"), site="usr/local/lib/python3.8/site-packages")
    both = {**OWN, **other}
    image = BuiltImage(layer(both), env=["PATH=/usr/local/bin:/opt/python3.11/bin"])
    assert packages(image, tmp_path) == {"apache-airflow": "2.9.3"}
    assert packages(BuiltImage(layer(both), env=["PATH=/opt/python3.11/bin:/usr/local/bin"]), tmp_path) == PINS
    with pytest.raises(OutsideError, match="Several Pythons"):
        read(BuiltImage(layer(both), env=["PATH=/bin"]), tmp_path)


@pytest.mark.parametrize("files", [{"etc/passwd": b"root"}, BASE])
def test_an_image_without_airflow_is_refused_with_what_is_there(tmp_path, files):
    with pytest.raises(OutsideError, match="No Airflow is in this image") as raised:
        read(BuiltImage(layer(files)), tmp_path)
    assert ("usr/lib/python3/dist-packages" in raised.value.detail) == (files is BASE)


def sparse() -> bytes:
    """A tar whose METADATA is sparse and claims to be large."""
    entry = tarfile.TarInfo(f"{SITE}/numpy-1.26.4.dist-info/METADATA")
    entry.size = 10
    entry.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.map": "0,10",
        "GNU.sparse.size": str(1 << 40),
    }
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(entry, io.BytesIO(b"Name: x\nV:"))
    return stream.getvalue()


def endless_header() -> bytes:
    entry = tarfile.TarInfo("x")
    entry.type, entry.size = tarfile.XHDTYPE, 1 << 30
    return entry.tobuf() + b"\0" * 1024


PIPE = tarfile.TarInfo()
PIPE.type = tarfile.FIFOTYPE


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (tar({"../../etc/passwd": b"x"}), "leads out of the image"),
        (tar({"a/../../b": b"x"}), "leads out of the image"),
        (tar({"x": link("../../etc/passwd", tarfile.LNKTYPE)}), "leads out of the image"),
        (tar({f"{SITE}/x-1.dist-info/METADATA": link("nowhere/METADATA", tarfile.LNKTYPE)}), "not in the image"),
        (tar({f"{SITE}/x-1.dist-info/METADATA": PIPE}), "no plain file"),
        (sparse(), "no plain file"),
        (endless_header(), "1073741824 bytes"),
        (b"this is no archive", "no archive"),
        (gzip.compress(tar(OWN))[:-300], "no archive"),
        (b"\x1f\x8b rubbish", "no archive"),
        (b"\x28\xb5\x2f\xfd rubbish", "no archive"),
    ],
)
def test_layers_that_are_none_are_refused(tmp_path, content, told):
    with pytest.raises(OutsideError, match="A layer of the image cannot be taken") as raised:
        read(BuiltImage(layer(OWN), content), tmp_path)
    assert told in raised.value.detail
    assert digest(content) in raised.value.detail
    assert raised.value.exit_code == 4


def test_a_symbolic_link_out_of_the_image_stays_in_it(tmp_path):
    files = {
        **OWN,
        "opt/loop": link("loop"),
        f"{SITE}/up.pth": b"/opt/out\n/opt/loop\n",
        "opt/out": link("../../../../opt/there"),
    }
    files |= installed(("there", "1.0"), site="opt/there")
    assert packages(BuiltImage(layer(files)), tmp_path) == {**PINS, "there": "1.0"}


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress], ids=["gzip", "zstd"])
def test_bombs_are_refused_in_bounded_time(tmp_path, monkeypatch, pack):
    monkeypatch.setattr(layer_rules, "MOST_UNPACKED", 8 * 1024**2)
    bomb = pack(tar({"zeros": bytes(32 * 1024**2)}))
    with pytest.raises(OutsideError) as raised:
        read(BuiltImage(bomb), tmp_path)
    assert "unpacks to more than 8 MB" in raised.value.detail


def test_a_large_layer_is_read_in_little_memory(tmp_path):
    blob = tmp_path / "blob"
    block = bytes(range(256)) * 4096
    with gzip.open(blob, "wb", compresslevel=1) as stream, tarfile.open(fileobj=stream, mode="w") as archive:
        for number in range(400):
            entry = tarfile.TarInfo(f"opt/data/{number}")
            entry.size = len(block)
            archive.addfile(entry, io.BytesIO(block))
        for number in range(20_000):
            archive.addfile(tarfile.TarInfo(f"opt/data/small-{number}"))
        for name, text in OWN.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
    program = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from envctl.resolution.images.registry import layers\n"
        "layers.MOST_UNPACKED = 1 << 40\n"
        "files = layers.ImageFiles()\nbefore = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "files.add_layer(Path(sys.argv[1]), 'layer')\n"
        "print(len(files.texts), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(blob)], capture_output=True, text=True, check=True)
    kept, kilobytes = map(int, done.stdout.split())
    assert kept == len(OWN)
    assert kilobytes < 40_000
    assert resource.RUSAGE_SELF == 0


def cut_after(size: int, times: int):
    """A registry that closes the connection after some bytes of each large answer, a few times."""
    left = [times]

    def answer(handler):
        match = handler.path.rpartition("/")[2]
        content = handler.server.image.blobs.get(match)
        if "/blobs/" not in handler.path or content is None or len(content) < 2 * size or not left[0]:
            return False
        left[0] -= 1
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        said = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        handler.send(206 if start else 200, content[start : start + size], said, length=len(content) - start)
        return True

    return answer


NOISE = {f"noise/{number}": bytes((number * 7 + at * at) % 251 for at in range(3000)) for number in range(40)}


def test_a_download_that_breaks_off_goes_on_from_there(tmp_path):
    image = BuiltImage(layer({**OWN, **NOISE}, bytes))
    with registry_of(image, cut_after(20_000, 3)) as server:
        found = read_registry_image(parse_reference(server.reference), tmp_path / "layers")
    assert {one.name for one in found.installation.packages} == set(PINS)
    ranges = [seen["Range"] for path, seen in server.seen if "Range" in seen]
    assert ranges == ["bytes=20000-", "bytes=40000-", "bytes=60000-"]


def test_a_later_command_goes_on_where_the_first_one_stopped(tmp_path):
    image = BuiltImage(layer({**OWN, **NOISE}, bytes))
    with registry_of(image, cut_after(20_000, 1)) as server:
        reference = parse_reference(server.reference)
        blob = digest(image.layers[0])
        (tmp_path / "layers").mkdir()
        (tmp_path / "layers" / f"{blob.replace(':', '-')}.partial").write_bytes(image.layers[0][:50_000])
        read_registry_image(reference, tmp_path / "layers")
        first = next(seen for path, seen in server.seen if path.endswith(blob))
    assert first["Range"] == "bytes=50000-"


def test_a_registry_that_gets_nowhere_is_given_up(tmp_path):
    image = BuiltImage(layer({**OWN, **NOISE}, bytes))

    def nothing(handler):
        if handler.path.endswith(digest(image.layers[0])):
            handler.send(200, b"", length=1000)
            return True
        return False

    with pytest.raises(OutsideError, match="does not answer") as raised:
        read(image, tmp_path, nothing)
    assert "goes on from there" in raised.value.hints[0]


def lying(kind: str):
    def answer(handler):
        name = handler.path.rpartition("/")[2]
        image = handler.server.image
        if kind == "layer" and name == digest(image.layers[0]):
            handler.send(200, image.layers[0][:-1] + b"x")
        elif kind == "longer" and name == digest(image.layers[0]):
            handler.send(200, image.layers[0] + b"x")
        elif kind == "range" and name == digest(image.layers[0]):
            handler.send(
                206,
                image.layers[0][10:],
                {"Content-Range": f"bytes 10-{len(image.layers[0]) - 1}/{len(image.layers[0])}"},
            )
        elif kind == "header" and name == "latest":
            handler.send(200, image.top, {"Docker-Content-Digest": "sha256:" + "1" * 64})
        elif kind == "config" and name == json.loads(next(iter(image.manifests.values())))["config"]["digest"]:
            handler.send(200, b"{}")
        elif kind == "platform" and name == next(iter(image.manifests)) and image.top != image.manifests[name]:
            handler.send(200, image.manifests[name] + b" ")
        else:
            return False
        return True

    return answer


@pytest.mark.parametrize("kind", ["layer", "longer", "range", "header", "config", "platform"])
def test_a_registry_that_lies_about_digests_is_not_believed(tmp_path, kind):
    image = BuiltImage(layer(OWN), index=kind == "platform")
    if kind == "range":
        (tmp_path / "layers").mkdir()
        name = digest(image.layers[0]).replace(":", "-")
        (tmp_path / "layers" / f"{name}.partial").write_bytes(image.layers[0][:20])
    with pytest.raises(OutsideError, match="something else than it says") as raised:
        read(image, tmp_path, lying(kind))
    assert (raised.value.code, raised.value.exit_code) == ("registry-digest", 4)


def test_an_image_that_is_named_by_digest_has_that_digest(tmp_path):
    image = BuiltImage(layer(OWN))
    with registry_of(image) as server:
        reference = parse_reference(f"{server.host}/repo/image@{image.digest}")
        assert read_registry_image(reference, tmp_path).digest == image.digest
        image.manifests["sha256:" + "2" * 64] = image.top
        other = parse_reference(f"{server.host}/repo/image@sha256:{'2' * 64}")
        server.answer = lambda handler: "manifests" in handler.path and (handler.send(200, image.top) or True)
        with pytest.raises(OutsideError, match="something else"):
            read_registry_image(other, tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"<html>", "no JSON"),
        (b"[]", "no JSON object"),
        (json.dumps({"schemaVersion": 1, "fsLayers": []}).encode(), "second schema"),
        (json.dumps({"layers": [{"digest": "md5:1", "size": 1}], "config": {"digest": "x"}}).encode(), "second schema"),
        (json.dumps({"mediaType": OCI_INDEX, "manifests": [5]}).encode(), "its index"),
    ],
)
def test_manifests_that_are_none_are_told(tmp_path, content, told):
    image = BuiltImage(layer(OWN))
    image.top = content
    with pytest.raises(OutsideError, match="cannot be read") as raised:
        read(image, tmp_path, lambda handler: handler.path.endswith("latest") and (handler.send(200, content) or True))
    assert told in raised.value.detail


def guarded(token: str = "anonymous", wanted: str = ""):
    """A registry that asks for a token; `wanted` is the Basic value without which none is given that counts."""

    def answer(handler):
        if handler.path.startswith("/token"):
            good = not wanted or handler.headers.get("Authorization") == wanted
            handler.send(200, json.dumps({"token": token if good else "weak"}).encode())
            return True
        if handler.headers.get("Authorization") == f"Bearer {token}":
            return False
        host = handler.server.host
        challenge = f'Bearer realm="http://{host}/token",service="{host}",scope="repository:repo/image:pull"'
        status = 403 if "Authorization" in handler.headers else 401
        handler.send(status, b"{}", {"WWW-Authenticate": challenge})
        return True

    return answer


def test_an_anonymous_token_is_asked_for_once(tmp_path):
    image = BuiltImage(layer(OWN))
    with registry_of(image, guarded()) as server:
        read_registry_image(parse_reference(server.reference), tmp_path)
    tokens = [path for path, _ in server.seen if path.startswith("/token")]
    assert len(tokens) == 1
    assert "scope=repository%3Arepo%2Fimage%3Apull" in tokens[0]


def test_credentials_are_for_googles_registries_alone(tmp_path):
    asked = []

    def google() -> str:
        asked.append(1)
        return "ya29.token"

    with pytest.raises(OutsideError, match="refuses the image") as raised:
        read(BuiltImage(layer(OWN)), tmp_path, guarded(wanted="Basic x"), google_token=google)
    assert asked == []
    assert "gcloud auth application-default login" in raised.value.hints[0]


class Redirected(httpx.BaseTransport):
    """The network of a test: every address of Google's leads to a server on loopback."""

    def __init__(self, host: str) -> None:
        self.inner = httpx.HTTPTransport()
        self.host = host
        self.seen = []

    def handle_request(self, request):
        self.seen.append((str(request.url), request.headers.get("Authorization")))
        name, _, port = self.host.partition(":")
        request.url = request.url.copy_with(scheme="http", host=name, port=int(port))
        return self.inner.handle_request(request)


def test_a_private_image_of_google_is_read_with_the_credentials_of_this_machine(tmp_path):
    def answer(handler):
        if handler.path.startswith("/token"):
            given = handler.headers.get("Authorization", "")
            handler.send(200, json.dumps({"token": "strong" if given.startswith("Basic ") else "weak"}).encode())
            return True
        if handler.headers.get("Authorization") == "Bearer strong":
            return False
        challenge = 'Bearer realm="https://us-docker.pkg.dev/token",service="us-docker.pkg.dev"'
        handler.send(403 if "Authorization" in handler.headers else 401, b"{}", {"WWW-Authenticate": challenge})
        return True

    with registry_of(BuiltImage(layer(OWN)), answer) as server:
        transport = Redirected(server.host)
        reference = parse_reference("us-docker.pkg.dev/repo/image:latest")
        read_registry_image(reference, tmp_path, google_token=lambda: "ya29.token", transport=transport)
    first = [given for url, given in transport.seen if "/token" in url]
    assert first[0] is None
    assert first[1].startswith("Basic ")
    assert not any(given and given.startswith("Basic") for url, given in transport.seen if "/token" not in url)


@pytest.mark.parametrize("status", [404, 500, 429])
def test_a_refusal_is_told_with_its_status(tmp_path, status):
    with pytest.raises(OutsideError, match="refuses the image") as raised:
        read(BuiltImage(layer(OWN)), tmp_path, lambda handler: handler.send(status, b"") or True)
    assert str(status) in raised.value.detail


def test_nobody_there_is_told_with_the_address(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OutsideError, match="does not answer") as raised:
            read_registry_image(parse_reference(f"{host}/a/b:c"), tmp_path)
    assert f"{host}/a/b:c" in raised.value.detail


def test_progress_counts_bytes_of_the_whole_image(tmp_path):
    image = BuiltImage(layer(BASE), layer(OWN))
    seen = []
    read(image, tmp_path, progress=seen.append)
    size = sum(map(len, image.layers))
    assert seen[-1] == (2, 2, size, size)
    assert [one.done for one in seen] == sorted(one.done for one in seen)


def test_where_google_publishes_the_worker():
    folder = "us-docker.pkg.dev/cloud-airflow-releaser/airflow-worker-scheduler"
    assert str(worker_image("composer-3-airflow-2.10.5-build.4")) == (
        f"{folder}-2-10-5/airflow-worker-scheduler-2-10-5:composer-3-airflow-2.10.5-build.4"
    )
    assert str(worker_image("composer-2.13.8-airflow-2.10.5")) == (
        f"{folder}-2-10-5/airflow-worker-scheduler-2-10-5:composer-2.13.8-airflow-2-10-5"
    )
    with pytest.raises(UsageError, match="Nobody knows where"):
        worker_image("composer-1.20.5-airflow-2.2.5")


@pytest.mark.parametrize(
    "text", ["", "latest", "host/Repo:tag", "host/repo", "https://host/repo:tag", "host/repo@sha256:12"]
)
def test_what_is_no_reference_is_told(text):
    with pytest.raises(UsageError, match="no image of a registry"):
        parse_reference(text)


def test_only_a_registry_of_this_machine_speaks_without_encryption():
    assert parse_reference("localhost:5000/a:b").base == "http://localhost:5000/v2/a"
    assert parse_reference("[::1]:5000/a:b").base.startswith("http://")
    assert parse_reference("localhost.example.com/a:b").base.startswith("https://")


def whole_image() -> BuiltImage:
    """An image with every package of a real one, what each requires, and a requirement of Google's own build."""
    image = Catalogue().choose("composer-2.13.8-airflow-2.10.5").image
    files = {}
    for name, one in image.packages.items():
        requires = [*(one.requires or ()), *(["pandas<9"] if name == "apache-airflow" else [])]
        files |= installed((one.spelling, one.version, *requires))
    header = {name: text for name, text in OWN.items() if name.endswith(".h")}
    return BuiltImage(layer(BASE), layer({**header, **files}))


@pytest.mark.registry
@pytest.mark.parametrize("index", [False, True], ids=["one platform", "several"])
@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress], ids=["gzip", "zstd"])
def test_a_real_registry_is_read(tmp_path, index, pack):
    image = BuiltImage(layer(BASE, pack), layer({**OWN, **NOISE}, pack), index="pushed" if index else False)
    with RealRegistry(tmp_path / "registry", image) as host:
        reference = parse_reference(f"{host}/team/worker:v1")
        found = read_registry_image(reference, tmp_path / "layers")
        assert {one.name: one.version for one in found.installation.packages} == PINS
        assert found.digest == image.digest
        blob = digest(image.layers[1])
        part = tmp_path / "layers" / f"{blob.replace(':', '-')}.partial"
        part.write_bytes(image.layers[1][:1000])
        told = []
        with Registry(reference) as registry:
            manifest = registry.manifest()
            registry.download(manifest.layers[1], part.with_name("whole"), told.append)
            part.rename(part.with_name("again.partial"))
            told.clear()
            registry.download(manifest.layers[1], part.with_name("again"), told.append)
        assert part.with_name("again").read_bytes() == image.layers[1]
        assert told[0] > 1000
        with pytest.raises(OutsideError, match="refuses the image"):
            read_registry_image(parse_reference(f"{host}/team/worker:v2"), tmp_path / "layers")


class RealRegistry:
    """The registry of the distribution project on loopback, with an image pushed into it."""

    def __init__(self, folder: Path, image: BuiltImage) -> None:
        self.folder, self.image = folder, image

    def __enter__(self) -> str:
        assert REGISTRY.exists(), "run .ci/registry: it builds the program"
        self.folder.mkdir()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        config = self.folder / "config.yml"
        config.write_text(
            f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {self.folder}/data}}}}\n"
            f"http: {{addr: '127.0.0.1:{port}'}}\n"
        )
        self.log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen([REGISTRY, "serve", config], stdout=self.log, stderr=self.log)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}")
        self._wait()
        self._push()
        return f"127.0.0.1:{port}"

    def _wait(self) -> None:
        end = time.monotonic() + 30
        while True:
            try:
                self.client.get("/v2/")
            except httpx.TransportError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < end
                time.sleep(0.05)
            else:
                return

    def _push(self) -> None:
        for name, content in self.image.blobs.items():
            place = self.client.post("/v2/team/worker/blobs/uploads/").headers["Location"]
            done = self.client.put(httpx.URL(place).copy_merge_params({"digest": name}), content=content)
            assert done.status_code == 201, done.text
        for name, content in self.image.manifests.items():
            tag = "v1" if content == self.image.top else name
            kind = json.loads(content)["mediaType"]
            done = self.client.put(f"/v2/team/worker/manifests/{tag}", content=content, headers={"Content-Type": kind})
            assert done.status_code == 201, done.text

    def __exit__(self, *_) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait(10)
        self.log.close()


def test_the_image_is_exact_with_its_own_requirements_and_the_digest_it_had(tmp_path, capsys):
    image = whole_image()
    with registry_of(image) as server:
        line = ["-C", str(tmp_path), "images", "add", NAME, "--from-registry", server.reference]
        assert run(line) == 0
    said = capsys.readouterr().err
    assert f"Read {server.reference}, {image.digest}." in said
    assert "layer 1 of 2" in said
    assert "Python 3.11.8 (as stated), pip 23.2.1 (as stated)." in said
    choice = show_image(tmp_path, NAME)
    assert choice.basis is Basis.EXACT
    assert image.digest in choice.image.record.source
    assert "pandas<9" in choice.image.packages["apache-airflow"].requires
    assert {mode.stat().st_mode & 0o77 for mode in (tmp_path / ".envctl/images").iterdir()} == {0}


def test_an_image_of_another_airflow_is_refused(tmp_path):
    with registry_of(BuiltImage(layer(OWN))) as server:
        line = [
            "-C",
            str(tmp_path),
            "images",
            "add",
            "composer-2.99.0-airflow-2.9.3",
            "--from-registry",
            server.reference,
        ]
        assert run(line) == 3
    assert not (tmp_path / ".envctl").exists()


def test_the_name_is_checked_before_anything_is_fetched(tmp_path):
    request = ReadImageRequest("composer-3-airflow-2", "127.0.0.1:1/a:b", tmp_path, date(2026, 12, 1))
    with pytest.raises(UsageError, match="no image version"):
        add_registry_image(request)
