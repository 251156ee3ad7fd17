"""One public worker: ``python -m waymark.public --fd N --worker N``, started by the supervisor."""

import argparse
import gc

from redirector.app import create_public_app
from waymark.config import load_config
from waymark.server import run_app, set_up_logging
from waymark.wiring import public_settings


def main() -> None:
    parser = argparse.ArgumentParser(prog="waymark.public")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--worker", type=int, default=0)
    parser.add_argument("--config")
    parser.add_argument("--ready-fd", type=int)
    arguments = parser.parse_args()
    set_up_logging(f"public-{arguments.worker}")
    config = load_config(arguments.config)
    app = create_public_app(public_settings(config, arguments.worker))
    gc.freeze()  # what start-up made lives for ever: collections need not walk it
    gc.set_threshold(50_000, 50, 1000)  # and rarer ones: a full one among a million routes takes 0.2 s
    run_app(app, arguments.fd, fast=True, ready_fd=arguments.ready_fd, tls=config.tls_files)


if __name__ == "__main__":
    main()
