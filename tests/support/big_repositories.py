"""Packs written by hand: what is huge when it is unpacked, and small on the disk and on the way."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import Final

from ocdp_operator.dev.gitrepository import GitRepository

MIB: Final = 1024 * 1024
ZEROS: Final = {
    256 * MIB: "89b65bcc7a1f3f68f45654de865cab3c4b649b71",
    500 * MIB: "1a578d51e19d182a603c99aff937239c826a630d",
    2048 * MIB: "77e9132b46cb9535f286f18974872f40049d1a89",
}
"""Ids of blobs of so many zeros; to hash them takes seconds."""
_BASE: Final = 16 * MIB - 1
"""The largest piece that one instruction of a delta copies."""
_COMMIT, _TREE, _BLOB, _REF_DELTA = 1, 2, 3, 7
_NAMES: Final = {_COMMIT: b"commit", _TREE: b"tree", _BLOB: b"blob"}


@dataclass(frozen=True)
class Packed:
    """One object as it stands in a pack."""

    id: bytes
    entry: bytes


class Pack:
    """Objects to be put into a repository at once, unseen by any git."""

    def __init__(self) -> None:
        self._objects: dict[bytes, Packed] = {}

    def blob(self, content: bytes) -> bytes:
        return self._plain(_BLOB, content)

    def tree(self, entries: dict[str, tuple[str, bytes]]) -> bytes:
        """From name to mode and id, in git's own order."""
        return self._plain(
            _TREE,
            b"".join(
                f"{mode} {name}\0".encode() + id_
                for name, (mode, id_) in sorted(
                    entries.items(), key=lambda entry: entry[0] + "/" * (entry[1][0] == "40000")
                )
            ),
        )

    def files(self, files: dict[str, bytes | tuple[str, bytes]]) -> bytes:
        """A tree of files by path; a mode and an id stand for themselves."""
        entries: dict[str, tuple[str, bytes]] = {}
        below: dict[str, dict[str, bytes | tuple[str, bytes]]] = {}
        for path, content in files.items():
            name, slash, rest = path.partition("/")
            if slash:
                below.setdefault(name, {})[rest] = content
            else:
                entries[name] = content if isinstance(content, tuple) else ("100644", self.blob(content))
        return self.tree(entries | {name: ("40000", self.files(each)) for name, each in below.items()})

    def commit(self, tree: bytes) -> str:
        who = "A <a@example.test> 1700000000 +0000"
        text = f"tree {tree.hex()}\nauthor {who}\ncommitter {who}\n\nBig\n"
        return self._plain(_COMMIT, text.encode()).hex()

    def zeros(self, size: int) -> bytes:
        """A blob of zeros, compressed a thousandfold. ``size`` is one of ``ZEROS``."""
        id_ = bytes.fromhex(ZEROS[size])
        self._objects[id_] = Packed(id_, _header(_BLOB, size) + b"".join(_compressed_zeros(size)))
        return id_

    def delta_of_zeros(self, size: int) -> tuple[bytes, bytes]:
        """The same, as a delta of a few hundred bytes against a smaller blob, which must be in the commit too."""
        base = self._plain(_BLOB, bytes(_BASE))
        pieces, rest = divmod(size, _BASE)
        copies = b"\xf0\xff\xff\xff" * pieces
        copies += b"\xf0" + struct.pack("<I", rest)[:3] if rest else b""
        delta = _varint(_BASE) + _varint(size) + copies
        id_ = bytes.fromhex(ZEROS[size])
        self._objects[id_] = Packed(id_, _header(_REF_DELTA, len(delta)) + base + zlib.compress(delta))
        return id_, base

    async def put(self, repository: GitRepository, branch: str, commit: str) -> None:
        """Writes the pack and its index into the repository, and points a branch there."""
        with (repository.path / "config").open("a") as config:
            config.write("[core]\n\tbigFileThreshold = 4g\n")  # a delta is handed out as it is
        self._write(repository.path / "objects/pack")
        self._objects.clear()
        await repository.point(branch, commit)

    def _plain(self, kind: int, content: bytes) -> bytes:
        id_ = sha1(_NAMES[kind] + b" %d\0" % len(content) + content, usedforsecurity=False).digest()
        if id_ not in self._objects:
            self._objects[id_] = Packed(id_, _header(kind, len(content)) + zlib.compress(content, 1))
        return id_

    def _write(self, directory: Path) -> None:
        pack = bytearray(b"PACK" + struct.pack(">II", 2, len(self._objects)))
        offsets = {}
        for each in self._objects.values():
            offsets[each.id] = len(pack)
            pack += each.entry
        pack += (checksum := sha1(pack, usedforsecurity=False).digest())
        ids = sorted(self._objects)
        counts = [sum(id_[0] <= first for id_ in ids) for first in range(256)]
        index = bytearray(b"\xfftOc" + struct.pack(">I256I", 2, *counts) + b"".join(ids))
        index += b"".join(struct.pack(">I", zlib.crc32(self._objects[id_].entry)) for id_ in ids)
        index += b"".join(struct.pack(">I", offsets[id_]) for id_ in ids) + checksum
        index += sha1(index, usedforsecurity=False).digest()
        name = f"pack-{checksum.hex()}"
        (directory / f"{name}.pack").write_bytes(pack)
        (directory / f"{name}.idx").write_bytes(index)


def _header(kind: int, size: int) -> bytes:
    """Four bits of the size beside the kind, then seven in each byte (gitformat-pack(5))."""
    first, rest = kind << 4 | size & 15, size >> 4
    if not rest:
        return bytes([first])
    return bytes([first | 128]) + _varint(rest)


def _varint(number: int) -> bytes:
    found = bytearray()
    while number >= 128:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


@cache
def _mebibyte() -> bytes:
    """A mebibyte of zeros as whole blocks of a raw deflate stream: it can stand there any number of times."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflate.compress(bytes(MIB)) + deflate.flush(zlib.Z_FULL_FLUSH)


def _compressed_zeros(size: int) -> Iterator[bytes]:
    yield b"\x78\x9c"
    for _ in range(size // MIB):
        yield _mebibyte()
    # The last block, empty; then Adler-32, whose second half counts the bytes where all are zero.
    yield b"\x03\x00" + struct.pack(">HH", size % 65521, 1)
