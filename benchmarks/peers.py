"""The same graphs on rayexec and its peers, side by side in one run.

Run it from the repository: ``python -m benchmarks.peers`` for all, ``python -m benchmarks.peers ray
dask`` for some. Missing packages are left out; ``pip install -e .[bench]`` installs all of it.
"""

from __future__ import annotations

import argparse

# By module and class: spawned workers import this file again, and shall not pay for what only we
# need.
OURS = ["peer_ray.RayexecCompiling", "peer_ray.RayexecDefining"]
PEERS = {
    "ray": ["peer_ray.RayByHand"],
    "dask": ["peer_dask.Dask"],
    "joblib": ["peer_pools.Joblib"],
    "futures": ["peer_pools.Futures", "peer_pools.ChunkedFutures"],
    "dagster": ["peer_dagster.DagsterInProcess", "peer_dagster.DagsterMultiprocess"],
    "prefect": ["peer_prefect.Prefect"],
}


def main() -> None:
    """Print the tables of the peers from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description="rayexec beside its peers."
    )
    parser.add_argument(
        "peers", nargs="*", metavar="peer", help=f"of {', '.join(PEERS)}; all where none is given"
    )
    names = parser.parse_args().peers or list(PEERS)
    for name in names:
        if name not in PEERS:
            parser.error(f"no peer is named {name}; there are {', '.join(PEERS)}")

    from benchmarks.turns import compare

    compare([*OURS, *(each for name in names for each in PEERS[name])])


if __name__ == "__main__":
    main()
