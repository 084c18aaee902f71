"""Many texts through one process, whose memory must not grow.

python -m tests.soak                  # 2,000 texts with the default model
python -m tests.soak --tiny           # in a quarter of the time
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.tiny_synthesiser import write_tiny_files

ROOT = Path(__file__).resolve().parents[1]
EVERY = 100  # texts between two looks
MOST_GROWTH = 0.05  # after the first hundred


def texts(count: int) -> list[str]:
    """Short sentences, each other words than the one before."""
    dice = random.Random(0)
    words = (ROOT / "resources" / "texts" / "words.txt").read_text(encoding="utf-8").split()
    return [f"{' '.join(dice.choices(words, k=dice.randint(2, 6)))}." for _ in range(count)]


def resident_mb(pid: int) -> float:
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--checkpoint", default=str(ROOT / "checkpts" / "default.pt"))
    parser.add_argument("--vocoder", help="default: that of inference.py")
    parser.add_argument("--tiny", action="store_true", help="the tests' tiny model and vocoder, with random weights")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.tiny:
            made = write_tiny_files(Path(folder), "")
            args.checkpoint, args.vocoder = made.checkpoint, made.vocoder
        listed, out = Path(folder) / "texts.txt", Path(folder) / "out"
        listed.write_text("\n".join(texts(args.texts)), encoding="utf-8")
        options = ["-f", listed, "-o", out, "-c", args.checkpoint, "-t", "2", "--threads", "1"]
        options += ["--vocoder", args.vocoder] if args.vocoder else []
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "inference.py"), *map(str, options)],
            stdout=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        seen: list[float] = []
        while process.poll() is None:
            if (out / f"{(len(seen) + 1) * EVERY - 1:04d}.wav").exists():
                seen.append(resident_mb(process.pid))
                print(
                    f"{len(seen) * EVERY:5d} texts  {seen[-1]:7.1f} MB  {time.monotonic() - began:6.0f} s", flush=True
                )
            time.sleep(0.05)
        found = len(list(out.glob("*.wav")))
    growth = max(seen) / seen[0] - 1 if seen else float("nan")
    print(f"code {process.returncode}, {found} wavs; memory at most {growth:+.1%} over that after {EVERY} texts")
    return int(process.returncode != 0 or found != args.texts or not growth <= MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
