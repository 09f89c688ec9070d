"""zstd frames without magic and size, one context a thread. Pure, no I/O.

Making a context costs as much as packing a chunk, and sharing one between threads is not allowed.
"""

from __future__ import annotations

import threading
from typing import Final

import zstandard

Error = zstandard.ZstdError
WELL: Final = 3
FAST: Final = -3
"""Levels for what is kept and for what waits: the second costs a tenth of a commit and packs byte planes as well."""


class _Contexts(threading.local):
    def __init__(self) -> None:
        bare = zstandard.FORMAT_ZSTD1_MAGICLESS
        self.pack = {}
        for level in (WELL, FAST):
            chosen = zstandard.ZstdCompressionParameters.from_level(level, format=bare, write_content_size=False)
            self.pack[level] = zstandard.ZstdCompressor(compression_params=chosen).compress
        self.unpack = zstandard.ZstdDecompressor(format=bare).decompress


_contexts = _Contexts()


def pack(raw: bytes, level: int = WELL) -> bytes:
    """One frame."""
    return _contexts.pack[level](raw)


def unpack(packed: bytes, size: int) -> bytes:
    """Exactly `size` bytes, or Error."""
    found: bytes = _contexts.unpack(packed, max_output_size=size)
    if len(found) != size:
        raise Error(f"{len(found)} bytes where {size} were packed")
    return found
