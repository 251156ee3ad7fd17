"""Length-prefixed JSON frames between the private process and its enrichment child."""

import asyncio
import struct
from typing import Any, BinaryIO, Final

import orjson

_LENGTH: Final = struct.Struct("<I")


def read_frame(stream: BinaryIO) -> Any:
    """Raises EOFError when the other side is gone."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    return orjson.loads(stream.read(_LENGTH.unpack(head)[0]))


def write_frame(stream: BinaryIO, message: Any) -> None:
    body = orjson.dumps(message)
    stream.write(_LENGTH.pack(len(body)) + body)
    stream.flush()


async def receive_frame(reader: asyncio.StreamReader) -> Any:
    """Raises asyncio.IncompleteReadError (an EOFError) when the other side is gone."""
    head = await reader.readexactly(_LENGTH.size)
    return orjson.loads(await reader.readexactly(_LENGTH.unpack(head)[0]))


async def send_frame(writer: asyncio.StreamWriter, message: Any) -> None:
    body = orjson.dumps(message)
    writer.write(_LENGTH.pack(len(body)) + body)
    await writer.drain()
