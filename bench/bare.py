"""What uvicorn and Starlette cost by themselves: one route, the same answer, no lookup, no journal, no log."""

import argparse
import socket

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.plan import DESTINATION


async def redirect(_request: Request) -> Response:
    headers = {"Location": f"{DESTINATION}1", "Cache-Control": "private, no-store"}
    return Response(status_code=302, headers=headers)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.bare")
    parser.add_argument("--fd", type=int, required=True)
    listener = socket.socket(fileno=parser.parse_args().fd)
    app = Starlette(routes=[Route("/{code}", redirect)])
    config = uvicorn.Config(app, loop="uvloop", http="httptools", access_log=False, log_level="warning", lifespan="off")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
