"""From a corpus to filelists: which utterances can be used, and a summary of what there is."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from common.errors import InputError
from common.files import replacing
from data.audio import audio_seconds, read_header
from data.cache import FeatureCache, Reject
from data.corpora import Reader
from data.filelist import Utterance, can_be_listed
from params import Audio
from text.front_end import FrontEnd


def read_corpus(reader: Reader, source: Path) -> tuple[list[Utterance], list[Reject]]:
    """All utterances of a corpus, with absolute paths and tidied columns, and the files that its reader rejects.

    Raises:
        InputError: `source` is not a folder of that corpus, or has nothing that can be used.
    """
    if not source.is_dir():
        raise InputError(f"{source} is not a folder; give the top folder of the corpus")
    rejects: list[Reject] = []
    utterances = [
        replace(u, wav=Path(u.wav).absolute(), text=" ".join(u.text.replace("|", " ").split()))
        for u in reader(source, lambda path, reason: rejects.append(Reject(path, reason)))
    ]
    if not utterances:
        raise InputError(f"{source} has no utterance that can be used; {_most_common(rejects)}")
    return utterances, rejects


def reject_unusable(
    utterances: Iterable[Utterance], front_end: FrontEnd, audio_params: Audio, min_seconds: float, max_seconds: float
) -> tuple[list[Utterance], list[Reject]]:
    """Sort out, by header and text alone: not audio, too short or long, nothing to speak, more tokens than frames."""
    kept, rejects = [], []
    for utterance in utterances:
        try:
            seconds = audio_seconds(utterance.wav)
            tokens = len(front_end.encode(utterance.text).ids)
        except InputError as error:
            rejects.append(Reject(Path(utterance.wav), str(error)))
            continue
        if seconds < min_seconds:
            reason = f"shorter than {min_seconds:g} s"
        elif seconds > max_seconds:
            reason = f"longer than {max_seconds:g} s"
        elif tokens > int(seconds * audio_params.sample_rate) // audio_params.hop_length:
            reason = "more tokens of text than frames of audio"
        elif not can_be_listed(utterance):
            reason = "its name cannot stand in a filelist ('|', a line break, not UTF-8); rename it"
        else:
            kept.append(utterance)
            continue
        rejects.append(Reject(Path(utterance.wav), reason))
    return kept, rejects


def build_features(
    utterances: Sequence[Utterance], cache: FeatureCache, workers: int, shard: tuple[int, int] = (0, 1)
) -> tuple[list[Utterance], list[Reject]]:
    """Fill the cache; the utterances without those that failed. shard: as `FeatureCache.build` takes it."""
    rejects = cache.build([u.wav for u in utterances], workers=workers, shard=shard)
    failed = {reject.path for reject in rejects}
    return [u for u in utterances if Path(u.wav) not in failed], rejects


def write_names(path: Path, names: Sequence[str]) -> None:
    """Write a table of speakers or emotions, one a line: the id is the position from 0.

    Raises InputError if the place cannot be written to.
    """
    with replacing(path) as temporary:
        temporary.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def summary(parts: dict[str, Sequence[Utterance]], rejects: Sequence[Reject], sample_rate: int) -> str:
    """A table of hours and utterances: of each part, speaker and emotion; what is converted to one channel and to
    `sample_rate` Hz; then the rejects by reason."""
    headers = {os.fspath(u.wav): read_header(u.wav) for part in parts.values() for u in part}
    seconds = {name: header.seconds for name, header in headers.items()}
    rows: list[tuple[str, str, int, float]] = []

    def add(kind: str, groups: dict[str, list[Utterance]]) -> None:
        for name, group in groups.items():
            rows.append((kind, name, len(group), sum(seconds[os.fspath(u.wav)] for u in group) / 3600))

    everything = [u for part in parts.values() for u in part]
    add("part", {name: list(part) for name, part in parts.items()})
    add("speaker", _grouped(everything, "speaker"))
    add("emotion", _grouped(everything, "emotion"))
    add("all", {"": everything})
    width = max(len(name) for _, name, _, _ in rows)
    lines = [f"{'':8} {'':{width}} {'utterances':>10} {'hours':>8}"]
    lines += [f"{kind:8} {name:{width}} {count:10d} {hours:8.3f}" for kind, name, count, hours in rows]
    lines.append(f"mixed down {sum(header.channels > 1 for header in headers.values())}")
    lines.append(f"resampled {sum(header.sample_rate != sample_rate for header in headers.values())}")
    lines.append(f"rejected {len(rejects)}")
    lines += [f"  {count:6d}  {reason}" for reason, count in _reasons(rejects).most_common()]
    return "\n".join(lines)


def _grouped(utterances: Sequence[Utterance], attribute: str) -> dict[str, list[Utterance]]:
    groups: dict[str, list[Utterance]] = defaultdict(list)
    for utterance in sorted(utterances, key=lambda u: getattr(u, attribute)):
        groups[getattr(utterance, attribute)].append(utterance)
    return groups


def _reasons(rejects: Sequence[Reject]) -> Counter[str]:
    """Reasons without the file's name, so that equal ones are counted together."""
    return Counter(reject.reason.replace(str(reject.path), "file") for reject in rejects)


def _most_common(rejects: Sequence[Reject]) -> str:
    if not rejects:
        return "check that it is the corpus's top folder"
    reason, count = _reasons(rejects).most_common(1)[0]
    return f"{count} of its {len(rejects)} rejects: {reason}"
