"""``python -m bench [PART ...]``: measures, prints the tables, writes the result file."""

import argparse
import sys
from pathlib import Path

from bench.plan import PLANS
from bench.processes import BenchError
from bench.run import PARTS, Asked, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures this Waymark on this machine.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all when none is named")
    parser.add_argument("--scale", choices=PLANS, default="full")
    parser.add_argument("--seconds", type=int, help="of load per server and round")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--hour", action="store_true", help="backlog: a real hour of scans instead of an hour's worth")
    parser.add_argument("--geo", type=Path, default=Path("waymark-data/geo"), help="folder with place databases")
    parser.add_argument("--out", type=Path, metavar="FILE", help="result file, else bench/results/DATE-MACHINE.md")
    given = parser.parse_args()
    asked = Asked(tuple(given.parts), given.scale, given.seconds, given.rounds, given.geo, given.out, given.hour)
    try:
        result = run(asked, say)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(result.text)
    print(f"Written to {result.file}", file=sys.stderr)
    return 1 if result.failed else 0


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
