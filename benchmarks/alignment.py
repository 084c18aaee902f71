"""Speed of the alignment search, beside the official Cython search and the package monotonic-alignment-search.

    python benchmarks/alignment.py [--repeats 20] [--json results.json]

Whole calls are timed, from a tensor of scores to a tensor of zeros and ones. In every repeat each side runs once, in
an order that changes, so that caches and what else the machine does treat all alike; the table has medians. `copy` is
one read and one write of the scores. The official search comes from the package `grad-tts`, whose source is compiled
here, because its binary asks for NumPy 1. A peer that is not installed is left out.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from common.arguments import Parser, whole
from common.errors import reports_input_errors
from common.files import replacing
from monotonic_align import alignment_durations, maximum_path
from speed.outcome import Outcome, Row, Settings
from speed.peer import add_peer_folder

BATCH = 16
SIZES = [(64, 256), (128, 512), (256, 1024), (512, 2048)]  # tokens, frames

Search = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # of value and mask, both (B, T_text, T_mel)


def official_search() -> Search:
    """`maximum_path` of the official code. Raises ImportError where it is not installed or does not compile."""
    import numpy
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension

    package = importlib.util.find_spec("grad_tts")
    if package is None:
        raise ImportError("the package grad-tts is not installed")
    folder = Path(package.submodule_search_locations[0]) / "model" / "monotonic_align"
    name = "official_monotonic_align"
    with tempfile.TemporaryDirectory() as build:
        source = Path(build) / "core.pyx"
        source.write_text((folder / "core.pyx").read_text())
        extensions = cythonize(
            [Extension(f"{name}.core", [str(source)], include_dirs=[numpy.get_include()])],
            compiler_directives={"language_level": 3, "legacy_implicit_noexcept": True},  # it was written for Cython 0
            quiet=True,
        )
        command = Distribution({"ext_modules": extensions}).get_command_obj("build_ext")
        command.build_lib = command.build_temp = build
        try:
            command.ensure_finalized()
            command.run()
        except SystemExit as error:
            raise ImportError(f"the official search does not compile: {error}") from error
        load_module(name, folder / "__init__.py", execute=False)
        load_module(f"{name}.core", Path(command.get_ext_fullpath(f"{name}.core")))
    sys.modules[name].__spec__.loader.exec_module(sys.modules[name])
    return sys.modules[name].maximum_path


def load_module(name: str, path: Path, execute: bool = True) -> None:
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if execute:
        spec.loader.exec_module(module)


def packaged_search() -> Search:
    """`maximum_path` of monotonic-alignment-search. Raises ImportError where it is not installed."""
    import monotonic_alignment_search

    return monotonic_alignment_search.maximum_path


def find_peers() -> dict[str, Search]:
    peers = {}
    for name, find in {"official": official_search, "packaged": packaged_search}.items():
        try:
            peers[name] = find()
        except ImportError as error:
            print(f"without the peer '{name}': {error}")
    return peers


def measure(peers: dict[str, Search], tokens: int, frames: int, repeats: int) -> dict[str, float]:
    """Median seconds of a call of every side. Raises RuntimeError if a peer's path differs from ours."""
    value = torch.randn(BATCH, tokens, frames, generator=torch.Generator().manual_seed(tokens))
    mask = torch.ones_like(value)
    text_lengths, frame_lengths = torch.full((BATCH,), tokens), torch.full((BATCH,), frames)
    sides = {
        "ours": lambda: maximum_path(value, text_lengths, frame_lengths),
        "durations": lambda: alignment_durations(value, text_lengths, frame_lengths),
        "copy": value.clone,
        **{name: lambda search=search: search(value, mask) for name, search in peers.items()},
    }
    path = sides["ours"]()  # the first calls warm up, and must agree
    for name in peers:
        if not torch.equal(sides[name](), path):
            raise RuntimeError(f"{tokens} x {frames}: the path of '{name}' differs from ours")
    order = random.Random(0)
    seconds = {name: [] for name in sides}
    for _ in range(repeats):
        for name in order.sample(list(sides), len(sides)):
            start = time.perf_counter()
            sides[name]()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def alignment_search(settings: Settings) -> Outcome:
    """Every size, against the faster of the two peers."""
    add_peer_folder()
    peers = find_peers()
    if not peers:
        return Outcome(lines=["no peer is installed; run tests/peer/install.sh"])
    outcome, ratios, copies = Outcome(), [], []
    sizes = SIZES[:1] if settings.quick else SIZES
    for tokens, frames in sizes:
        seconds = measure(peers, tokens, frames, 4 * settings.repeats)
        ratios.append(min(seconds[name] for name in peers) / seconds["ours"])
        copies.append(seconds["ours"] / seconds["copy"])
        outcome.data[f"{tokens}x{frames}"] = seconds
        outcome.lines.append(f"  {tokens} x {frames}: {ratios[-1]:.2f}x the faster peer, {copies[-1]:.2f} copies")
    outcome.rows = [
        Row(f"alignment search, worst of {len(sizes)} sizes, against {' and '.join(peers)}", min(ratios), 3.5, 4),
        Row("alignment search, time in copies of the scores, worst size", max(copies), float("inf"), 2, "", False),
    ]
    return outcome


@reports_input_errors
def main() -> int:
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=whole(1, 10_000), default=20)
    parser.add_argument("--json", type=Path, help="also write the results here")
    arguments = parser.parse_args()

    add_peer_folder()
    peers = find_peers()
    ratios = ["ours/copy", *(f"{name}/ours" for name in peers)]
    rows = []
    print(f"batch {BATCH}, {torch.get_num_threads()} threads, medians of {arguments.repeats}, milliseconds")
    print("".join(f"{title:>16}" for title in ["tokens x frames", "ours", "durations", "copy", *peers, *ratios]))
    for tokens, frames in SIZES:
        seconds = measure(peers, tokens, frames, arguments.repeats)
        ratio = {title: seconds[title.split("/")[0]] / seconds[title.split("/")[1]] for title in ratios}
        rows.append({"tokens": tokens, "frames": frames, "seconds": seconds, "ratios": ratio})
        cells = [f"{1000 * value:.3f}" for value in seconds.values()] + [f"{value:.2f}" for value in ratio.values()]
        print("".join(f"{cell:>16}" for cell in [f"{tokens} x {frames}", *cells]))
    if arguments.json:
        machine = {"machine": platform.machine(), "cpus": os.cpu_count(), "threads": torch.get_num_threads()}
        results = {"batch": BATCH, "repeats": arguments.repeats, "torch": torch.__version__, **machine, "results": rows}
        with replacing(arguments.json) as temporary:
            temporary.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
