"""Join what several machines spoke of one list of texts.

    python -m synthesis.shards out

writes OUT/report.json from the reports there that `inference.py --shard I/N` wrote, one on each machine. Their wavs are
numbered as in the whole list; copy both into one folder first.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.arguments import Parser, Shard, folder
from common.errors import InputError, reports_input_errors, shown
from common.files import in_use, read_json
from data.filelist import TextLine

_NAME = re.compile(r"report\.(\d{1,5})-of-(\d{1,5})\.json")
_OF_THE_MACHINE = ("device", "precision", "backend", "threads")  # settings that may differ


def shard_of(texts: list[TextLine], shard: Shard | None, skipped: int = 0) -> list[TextLine]:
    """Every N-th text, so that the shards are alike; none, if all of a shard's lines were skipped.

    skipped: lines of the list that are no text. Raises InputError if there are fewer lines than shards.
    """
    if shard is None:
        return texts
    which, count = shard
    most = len(texts) + skipped
    if which > most:
        raise InputError(f"shard {which}/{count} has no text; {most} texts make {most} shards at most")
    return [line for line in texts if line.index % count == which - 1]


def report_name(shard: Shard | None) -> str:
    return "report.json" if shard is None else f"report.{shard[0]}-of-{shard[1]}.json"


def join_reports(out: Path) -> int:
    """Write the report of all shards; how many texts it has.

    Raises InputError if a shard is missing, is not one's report, or was spoken with other settings.
    """
    from synthesis.report import Report

    found = {path: _NAME.fullmatch(path.name) for path in sorted(out.glob("report.*-of-*.json"))}
    shards = {(int(name[1]), int(name[2])): path for path, name in found.items() if name}
    if not shards:
        raise InputError(f"{out} has no report of a shard (report.1-of-4.json); copy them there")
    counts = sorted({count for _, count in shards})
    if len(counts) > 1:
        raise InputError(f"{out} has shards of {counts[0]} and of {counts[1]}; take those out that do not belong there")
    missing = [number for number in range(1, counts[0] + 1) if (number, counts[0]) not in shards]
    if missing:
        raise InputError(f"{out} lacks {report_name((missing[0], counts[0]))}; copy it there, or speak that shard")
    reports = {path: _read(path) for _, path in sorted(shards.items())}
    (first, of_all), *others = ((path, _common(report)) for path, report in reports.items())
    for path, settings in others:
        differing = sorted(name for name in {*settings, *of_all} if settings.get(name) != of_all.get(name))
        if differing:
            raise InputError(
                f"{path} was spoken with another {differing[0]} than {first.name}; speak one of them again"
            )
    warnings = dict.fromkeys(str(line) for report in reports.values() for line in report.get("warnings", []))
    joined = Report(out / report_name(None), of_all, list(warnings))
    rows = [row for report in reports.values() for row in report["results"]]
    try:
        for row in sorted(rows, key=lambda row: row["index"]):
            joined.include(row)
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{out}: a shard's report has a row that inference.py did not write; speak it again"
        ) from error
    if not joined.texts:
        raise InputError(f"{out}: no shard has a text that could be spoken")
    joined.write()
    return len(joined.texts)


def _read(path: Path) -> dict[str, Any]:
    report = read_json(path)
    if not isinstance(report, dict) or not isinstance(report.get("results"), list):
        raise InputError(f"{path} has no list of results; give what inference.py wrote")
    if not isinstance(report.get("settings"), dict) or not isinstance(report.get("warnings", []), list):
        raise InputError(f"{path} has no settings; give what inference.py wrote")
    return report


def _common(report: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in report["settings"].items() if name not in _OF_THE_MACHINE}


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    parser = Parser(
        prog="python -m synthesis.shards", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=folder, help="folder with the shards' reports and wavs")
    out = parser.parse_args(argv).out
    if not out.is_dir():
        raise InputError(f"{out}: no such folder; give the one with the shards' reports")
    with in_use(out):
        count = join_reports(out)
    print(shown(f"{out / report_name(None)}: {count} texts"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
