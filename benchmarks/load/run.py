"""Load a server that runs already.

    python -m benchmarks.load.run http://127.0.0.1:8000 --rate 50 --rate 100 --rate 200 --seconds 20
    python -m benchmarks.load.run http://127.0.0.1:8000 --clients 64

Open loop at each rate in turn, or a closed loop of so many clients. The table goes to standard output; --json, --report
and --plot write files. Exits with 1 if a request was not answered with 2xx.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from benchmarks.load.asks import Ask, molecules, post
from benchmarks.load.generator import closed_loop, open_loop
from benchmarks.load.report import loads_table, machine, plot_loads
from benchmarks.load.results import Result
from olfactory_transformer.train.shipping import commit


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", help="such as http://127.0.0.1:8000")
    parser.add_argument(
        "--rate", type=float, action="append", default=[], help="requests a second; repeatable"
    )
    parser.add_argument(
        "--clients", type=int, action="append", default=[], help="of a closed loop; repeatable"
    )
    parser.add_argument("--arrivals", choices=["poisson", "constant"], default="poisson")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument(
        "--warm-up", type=float, default=2, help="seconds that come before and are not counted"
    )
    parser.add_argument("--connections", type=int, default=256)
    parser.add_argument("--timeout", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--data", type=Path, help="folder of CSV files with SMILES; else the `chemicals` package"
    )
    parser.add_argument("--molecules", type=int, default=5000, help="distinct ones, used in turn")
    parser.add_argument("--list", type=int, help="molecules in one request; else a single one")
    parser.add_argument("--body", help="a JSON body for all requests, instead of molecules")
    parser.add_argument("--path", default="/v1/predict")
    parser.add_argument("--api-key-file", type=Path, help="whose text is sent as X-API-Key")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    if not given.rate and not given.clients:
        parser.error("give --rate or --clients")
    return given


def asks(given: argparse.Namespace) -> Iterator[Ask]:
    """Yield the requests without end."""
    headers = {"X-API-Key": given.api_key_file.read_text().strip()} if given.api_key_file else {}
    if given.body is not None:
        return cycle([post(given.path, given.body.encode(), headers=headers)])
    smiles = molecules(given.molecules, given.seed, given.data)
    bodies = (
        [{"smiles": smiles[i : i + given.list]} for i in range(0, len(smiles), given.list)]
        if given.list
        else [{"smiles": text} for text in smiles]
    )
    return cycle([post(given.path, body, headers=headers) for body in bodies])


def main() -> int:
    """Load and report."""
    given = arguments()
    parts = urlsplit(given.url)
    address = (parts.hostname or "127.0.0.1", parts.port or 80)
    source = asks(given)
    times = {"seconds": given.seconds, "warm_up": given.warm_up, "timeout": given.timeout}
    where = machine()
    results: list[Result] = []
    for clients in given.clients:
        results.append(uvloop.run(closed_loop(address, source, clients=clients, **times)))
    for rate in given.rate:
        how = {"arrivals": given.arrivals, "seed": given.seed, "connections": given.connections}
        results.append(uvloop.run(open_loop(address, source, rate=rate, **how, **times)))
    page = "\n\n".join(
        [
            f"- command: `python -m benchmarks.load.run {' '.join(sys.argv[1:])}`\n"
            f"- commit: {commit()}; seed {given.seed}\n- machine: {where}",
            loads_table(results),
        ]
    )
    print(page)
    if given.report:
        given.report.write_text(page + "\n", encoding="utf-8")
    if given.json:
        given.json.write_text(json.dumps([r.summary() for r in results], indent=1) + "\n", encoding="utf-8")
    if given.plot:
        plot_loads(given.plot, {given.path: [r for r in results if r.offered is not None]})
    return 1 if any(r.failed for r in results) else 0


if __name__ == "__main__":
    sys.exit(main())
