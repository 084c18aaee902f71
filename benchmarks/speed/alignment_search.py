"""The alignment search, every size, against the faster of the two peers (`benchmarks/alignment.py`)."""

from __future__ import annotations

import alignment

from speed.outcome import Outcome, Row, Settings
from speed.peer import add_peer_folder


def run(settings: Settings) -> Outcome:
    add_peer_folder()
    peers = alignment.find_peers()
    if not peers:
        return Outcome(lines=["no peer is installed; run tests/peer/install.sh"])
    outcome, ratios, copies = Outcome(), [], []
    sizes = alignment.SIZES[:1] if settings.quick else alignment.SIZES
    for tokens, frames in sizes:
        seconds = alignment.measure(peers, tokens, frames, 4 * settings.repeats)
        ratios.append(min(seconds[name] for name in peers) / seconds["ours"])
        copies.append(seconds["ours"] / seconds["copy"])
        outcome.data[f"{tokens}x{frames}"] = seconds
        outcome.lines.append(f"  {tokens} x {frames}: {ratios[-1]:.2f}x the faster peer, {copies[-1]:.2f} copies")
    outcome.rows = [
        Row(f"alignment search, worst of {len(sizes)} sizes, against {' and '.join(peers)}", min(ratios), 1.5, 4),
        Row("alignment search, time in copies of the scores, worst size", max(copies), float("inf"), 2, "", False),
    ]
    return outcome
