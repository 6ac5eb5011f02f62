# SPDX-License-Identifier: GPL-3.0-or-later
"""The corpus: utterances with phone times from every source, as shards that training reads.

On disk a corpus is a folder with `corpus.json` (what is in it, from where, under which licences:
part of the model's card) and `SOURCE-NNN.npz` shards. Each source is built on its own and kept, so
that a build that was stopped goes on where it was.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emoface_core.audio.files import SAMPLE_RATE
from emoface_core.errors import InputError
from emoface_core.files import atomic_path
from emoface_core.training.phones import PHONES
from emoface_core.training.shards import Utterance, read_shard, write_shard
from emoface_core.training.sources import SOURCES, BuildContext

FORMAT = 1
_SHARD_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus on disk."""

    folder: Path
    info: Mapping[str, Any]

    def utterances(
        self, split: str | None = None, sources: Iterable[str] | None = None
    ) -> Iterator[Utterance]:
        """Utterances shard by shard (one shard in memory), perhaps of one split or some sources."""
        chosen = set(self.info["sources"]) if sources is None else set(sources)
        for name, about in self.info["sources"].items():
            if name not in chosen:
                continue
            for shard in about["shards"]:
                for utterance in read_shard(self.folder / shard):
                    if split is None or utterance.split == split:
                        yield utterance


def open_corpus(folder: Path | str) -> Corpus:
    """A corpus that `build` made. InputError if there is none."""
    folder = Path(folder)
    path = folder / "corpus.json"
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise InputError(
            f"There is no corpus in “{folder}”.",
            "Make one: python -m emoface_core corpus build --data DIR --out DIR",
        ) from None
    except json.JSONDecodeError:
        raise InputError(f"“{path}” is damaged.", "Build the corpus again.") from None
    if info.get("format") != FORMAT:
        raise InputError(f"“{path}” is of another version.", "Build the corpus again.")
    return Corpus(folder, info)


def build(
    data: Path,
    out: Path,
    *,
    sources: Sequence[str] | None = None,
    hours: Mapping[str, float] | None = None,
    seed: int = 1,
    packages: Path = Path("/"),
    report: Callable[[str], None] = lambda _line: None,
) -> Corpus:
    """Build a corpus from the data sets in `data`, Debian's packages and this machine's voices.

    A source that is already there with the same hours and seed is kept; `corpus.json` is written
    after each source, so that a growing corpus can be used.
    """
    names = list(SOURCES) if sources is None else list(sources)
    for name in names:
        if name not in SOURCES:
            raise InputError(f"There is no source “{name}”.", f"Use of: {', '.join(SOURCES)}.")
    cache = out / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for name in names:
        wanted = float((hours or {}).get(name, SOURCES[name].hours))
        stored = _source_info(out, name)
        if stored and (stored["hours_wanted"], stored["seed"]) == (wanted, seed):
            report(f"{name}: kept")
        else:
            report(f"{name}: building")
            context = BuildContext(data, cache, wanted, seed, Counter(), report, packages)
            _build_source(name, context, out)
        _write_index(out, seed)
        report(describe_source(name, _source_info(out, name) or {}))
    return open_corpus(out)


def _source_path(out: Path, name: str) -> Path:
    return out / "cache" / f"{name}.source.json"


def _source_info(out: Path, name: str) -> dict[str, Any] | None:
    path = _source_path(out, name)
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _build_source(name: str, context: BuildContext, out: Path) -> None:
    shards: list[str] = []
    held: list[Utterance] = []
    tally = _Tally()

    def flush() -> None:
        if held:
            shard = f"{name}-{len(shards):03d}.npz"
            write_shard(out / shard, held)
            shards.append(shard)
            held.clear()

    for utterance in SOURCES[name].build(context):
        tally.add(utterance)
        held.append(utterance)
        if sum(u.seconds for u in held) >= _SHARD_SECONDS:
            flush()
    flush()
    info = {
        "licence": SOURCES[name].licence,
        "labels": SOURCES[name].labels,
        "hours_wanted": context.hours,
        "seed": context.seed,
        **tally.info(),
        "dropped": dict(context.dropped),
        "shards": shards,
    }
    with atomic_path(_source_path(out, name)) as temporary:
        temporary.write_text(json.dumps(info, indent=1, ensure_ascii=False), encoding="utf-8")


class _Tally:
    def __init__(self) -> None:
        self.counts = {"train": 0, "held_out": 0}
        self.seconds = {"train": 0.0, "held_out": 0.0}
        self.speakers: dict[str, set[str]] = {"train": set(), "held_out": set()}
        self.emotions: Counter[str] = Counter()
        self.phones: dict[str, float] = dict.fromkeys(PHONES, 0.0)

    def add(self, utterance: Utterance) -> None:
        self.counts[utterance.split] += 1
        self.seconds[utterance.split] += utterance.seconds
        self.speakers[utterance.split].add(utterance.speaker)
        self.emotions[utterance.emotion or "unknown"] += 1
        for span in utterance.spans:
            self.phones[span.phone] += span.end - span.start

    def info(self) -> dict[str, Any]:
        splits = {
            split: {
                "utterances": count,
                "hours": round(self.seconds[split] / 3600, 3),
                "speakers": len(self.speakers[split]),
            }
            for split, count in self.counts.items()
        }
        phones = {phone: round(self.phones[phone], 1) for phone in PHONES if self.phones[phone]}
        return {**splits, "emotions": dict(self.emotions), "phone_seconds": phones}


def _write_index(out: Path, seed: int) -> None:
    sources = {name: info for name in SOURCES if (info := _source_info(out, name))}
    info = {
        "format": FORMAT,
        "sample_rate": SAMPLE_RATE,
        "phones": list(PHONES),
        "seed": seed,
        "hours": {
            split: round(sum(source[split]["hours"] for source in sources.values()), 3)
            for split in ("train", "held_out")
        },
        "sources": sources,
    }
    with atomic_path(out / "corpus.json") as temporary:
        temporary.write_text(json.dumps(info, indent=1, ensure_ascii=False), encoding="utf-8")


# --- Command line ---------------------------------------------------------------------------------


def describe_source(name: str, info: Mapping[str, Any]) -> str:
    """One line: what a source holds."""
    train, held_out = info["train"], info["held_out"]
    dropped = ", ".join(f"{count} {why}" for why, count in info["dropped"].items())
    return (
        f"{name:15} train {train['hours']:6.3f} h, {train['utterances']:5} utterances, "
        f"{train['speakers']:3} speakers | held out {held_out['hours']:6.3f} h, "
        f"{held_out['utterances']:4}, {held_out['speakers']:3} | {info['labels']}"
        + (f" | dropped: {dropped}" if dropped else "")
    )


def main(argv: list[str]) -> int:
    """`build --data DIR --out DIR [--sources a,b] [--hours a=1,b=2]`, `info DIR`, `check DIR`."""
    parser = argparse.ArgumentParser(prog="python -m emoface_core corpus", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("build", help="build a corpus, or go on building one")
    making.add_argument("--data", type=Path, required=True, help="folder with speech/…")
    making.add_argument("--out", type=Path, required=True, help="folder to build in")
    making.add_argument("--sources", help=f"some of {','.join(SOURCES)} (default: all)")
    making.add_argument("--hours", help="hours of synthetic sources, such as flite=1.5,espeak=1")
    making.add_argument("--seed", type=int, default=1)
    making.add_argument(
        "--packages",
        type=Path,
        default=Path("/"),
        help="folder that Debian's packages were unpacked into (default: installed ones)",
    )
    telling = commands.add_parser("info", help="what a corpus holds")
    telling.add_argument("folder", type=Path)
    checking = commands.add_parser("check", help="how good a corpus's labels are")
    checking.add_argument("folder", type=Path)
    checking.add_argument("--count", type=int, default=150, help="utterances of each source")
    options = parser.parse_args(argv)
    if options.command == "check":
        from emoface_core.training.corpus_check import check  # it builds on this module

        for line in check(open_corpus(options.folder), options.count):
            _say(line)
        return 0
    if options.command == "build":
        build(
            options.data,
            options.out,
            sources=options.sources.split(",") if options.sources else None,
            hours=_parse_hours(options.hours),
            seed=options.seed,
            packages=options.packages,
            report=_say,
        )
        return 0
    corpus = open_corpus(options.folder)
    for name, info in corpus.info["sources"].items():
        _say(describe_source(name, info))
        _say(f"{'':15} {info['licence']}")
    hours = corpus.info["hours"]
    _say(f"{'all':15} train {hours['train']:.3f} h | held out {hours['held_out']:.3f} h")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _parse_hours(text: str | None) -> dict[str, float]:
    result = {}
    for item in (text or "").split(","):
        if not item:
            continue
        name, _, value = item.partition("=")
        try:
            result[name] = float(value)
        except ValueError:
            raise InputError(f"“{item}” does not give hours.", "Write --hours flite=1.5") from None
    return result
