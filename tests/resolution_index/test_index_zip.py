"""Zip archives that `zipfile` does not write by itself."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import pytest
from fake_index import build_wheel, metadata_text

from envctl.resolution.index.zip_metadata import BrokenWheelError, FileWindow, read_wheel_metadata

TEXT = metadata_text("demo", "1.0", ["a"]).encode()
FULL = 0xFFFFFFFF


def zip64_wheel(*, flags: int = 0, size: int = len(TEXT)) -> bytes:
    """A wheel with one member whose sizes, offsets and directory stand in the 64-bit fields."""
    name = b"demo-1.0.dist-info/METADATA"
    crc = zlib.crc32(TEXT)
    local = struct.pack("<4s5H3L2H", b"PK\x03\x04", 45, flags, 0, 0, 0, crc, FULL, FULL, len(name), 20) + name
    local += struct.pack("<HHQQ", 1, 16, size, len(TEXT)) + TEXT
    extra = struct.pack("<HHB", 0x7777, 1, 0) + struct.pack("<HHQQQ", 1, 24, size, len(TEXT), 0)
    numbers = (45, 45, flags, 0, 0, 0, crc, FULL, FULL, len(name), len(extra), 0, 0, 0, 0, FULL)
    directory = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *numbers) + name + extra
    start, length = len(local), len(directory)
    end = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, length, start)
    end += struct.pack("<4sLQL", b"PK\x06\x07", 0, start + length, 1)
    end += struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, FULL, FULL, 0)
    return local + directory + end


def read(content: bytes) -> bytes:
    return read_wheel_metadata(FileWindow(io.BytesIO(content)), "demo")


def test_zip64_is_read_as_zipfile_reads_it() -> None:
    content = zip64_wheel()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("demo-1.0.dist-info/METADATA") == TEXT
    assert read(content) == TEXT


@pytest.mark.parametrize("cut", [b"PK\x06\x06", b"PK\x06\x07"])
def test_zip64_without_its_records_is_refused(cut: bytes) -> None:
    with pytest.raises(BrokenWheelError, match="truncated or no zip"):
        read(zip64_wheel().replace(cut, b"none"))


def test_sizes_of_exabytes_are_refused() -> None:
    with pytest.raises(BrokenWheelError, match="too large"):
        read(zip64_wheel(size=1 << 60))


def test_encrypted_metadata_is_refused() -> None:
    with pytest.raises(BrokenWheelError, match="encrypted"):
        read(zip64_wheel(flags=1))


def test_a_long_local_header_is_followed() -> None:
    """Some writers pad the local header so that the content is aligned."""
    info = zipfile.ZipInfo("demo-1.0.dist-info/METADATA")
    info.extra = struct.pack("<HH", 0x7777, 4000) + bytes(4000)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(info, TEXT)
    assert read(stream.getvalue()) == TEXT


def test_a_folder_without_metadata_is_refused() -> None:
    content = build_wheel("demo", "1.0").replace(b"/METADATA", b"/NOTHINGS")
    with pytest.raises(BrokenWheelError, match="no METADATA"):
        read(content)
