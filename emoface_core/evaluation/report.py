# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports for eyes: a Markdown page with plots and contact sheets. Needs matplotlib and Pillow."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emoface_core.audio.files import SAMPLE_RATE, read_audio
from emoface_core.errors import InputError
from emoface_core.evaluation.clips import paired, read_clip
from emoface_core.evaluation.events import CLOSURE, LIP_TEETH, SHUT, labelled_events
from emoface_core.evaluation.metrics import squared_errors, worst_of_region
from emoface_core.evaluation.regions import Regions
from emoface_core.evaluation.speech_table import Shown, SpeechReport, table
from emoface_core.evaluation.timing import lip_distance
from emoface_core.evaluation.visemes import Confusion
from emoface_core.face.head import load_head
from emoface_core.training.phones import SILENCE, PhoneSpan

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {
    "model": "#c2410c",
    "prediction": "#c2410c",
    "teacher": "#1d4ed8",
    "chance": "#9ca3af",
    "truth": "#1d4ed8",
}
_MARKED = {"p": "#fecaca", "f": "#bbf7d0"}  # backgrounds of closures and lip-teeth contacts
_SHEET_FRAMES = 16
_FACES_OF = ("model", "teacher")


def write_speech(folder: Path, report: SpeechReport) -> Path:
    """Write the table, the curves of the clips shown, contact sheets and confusions to `folder`.

    Returns the page, `report.md`. InputError if matplotlib or Pillow is not installed.
    """
    folder = _folder(folder)
    lines = ["# Held-out speech", "", *(f"- {note}" for note in report.notes), ""]
    lines += [table(report, markdown=True), ""]
    lines += _how_scored()
    for k, shown in enumerate(report.shown):
        lines += [f"## {shown.heard.id}", ""]
        lines += [_picture(folder, f"curves_{k}.png", curves_figure(shown), "curves")]
        for name, speech in shown.speech.items():
            if name not in _FACES_OF:
                continue
            sheet = contact_sheet_of(speech, shown.fps, shown.heard.spans)
            lines += [_sheet(folder, f"faces_{k}_{name}.png", sheet, name)]
    for group, found in (("Visemes", report.visemes), ("Emotions", report.emotions)):
        for name, matrix in found.items():
            lines += [f"## {group}: {name}", ""]
            file = f"{group.lower()}_{_plain(name)}.png"
            lines += [_picture(folder, file, confusion_figure(matrix), f"{group} of {name}")]
    return _page(folder, lines)


def write_comparison(
    folder: Path,
    pred_path: Path,
    truth_path: Path,
    regions: Regions,
    figures: str,
    audio: Path | None = None,
) -> Path:
    """Write the figures of two animations, with where in time and on the face they differ."""
    folder = _folder(folder)
    pred, truth = paired(read_clip(pred_path), read_clip(truth_path))
    samples = read_audio(audio) if audio else None
    lips, eyes = (
        worst_of_region(pred, truth, region)[1]
        for region in (regions.lips, regions.eyes_and_forehead)
    )
    distances = {
        name: 1000 * lip_distance(clip.template + clip.offsets)
        for name, clip in (("prediction", pred), ("truth", truth))
        if clip.offsets.shape[1] == len(load_head().vertices)
    }
    panels: list[tuple[str, Mapping[str, NDArray]]] = [
        ("lips apart (mm)", distances),
        ("worst vertex (mm)", {"lips": lips, "eyes and forehead": eyes}),
    ]
    figure = timeline_figure(panels, truth.fps, samples)
    lines = [f"# {pred_path.name} against {truth_path.name}", "", "```", figures, "```", ""]
    lines += [_picture(folder, "curves.png", figure, "curves and errors over time")]
    if distances:
        usual = np.sqrt(squared_errors(pred, truth).mean(axis=0)) * 1000
        lines += ["## Where it differs", "", "Root mean square distance of each vertex.", ""]
        lines += [
            _picture(folder, "face.png", error_map(truth.template, usual), "errors by vertex")
        ]
        for name, clip in (("prediction", pred), ("truth", truth)):
            sheet = contact_sheet_of(clip.offsets, clip.fps, (), clip.template)
            lines += [f"## {name.capitalize()}", "", _sheet(folder, f"{name}.png", sheet, name)]
    return _page(folder, lines)


# --- Figures --------------------------------------------------------------------------------------


def curves_figure(shown: Shown) -> "Figure":
    """Waveform with phones, lips' gap and jaw of every performer; closures are marked."""
    panels: list[tuple[str, Mapping[str, NDArray]]] = [
        ("lips apart (mm)", shown.gaps),
        ("jaw open (mm)", shown.jaws),
    ]
    return timeline_figure(panels, shown.fps, shown.heard.samples, shown.heard.spans)


def timeline_figure(
    panels: Sequence[tuple[str, Mapping[str, NDArray]]],
    fps: float,
    samples: NDArray[np.floating] | None = None,
    spans: Sequence[PhoneSpan] = (),
) -> "Figure":
    """Curves (T,) at `fps` under the waveform; times of `spans` as bands and letters."""
    pyplot = _pyplot()
    rows = len(panels) + (samples is not None)
    longest = max((len(c) for _, curves in panels for c in curves.values()), default=1) / fps
    figure, axes = pyplot.subplots(
        rows, 1, sharex=True, figsize=(min(max(10.0, 4.5 * longest), 40.0), 2.1 * rows),
        squeeze=False, layout="constrained",
    )  # fmt: skip
    places = list(axes[:, 0])
    if samples is not None:
        _wave(places.pop(0), samples, spans)
    for place, (label, curves) in zip(places, panels, strict=True):
        for name, curve in curves.items():
            colour = _COLOURS.get(name)
            place.plot(np.arange(len(curve)) / fps, curve, label=name, color=colour, lw=1.4)
        _bands(place, spans)
        if "lips" in label and spans:
            place.axhline(1000 * SHUT, color="black", lw=0.6, ls=":")
        place.set_ylabel(label)
        place.grid(alpha=0.25)
        if curves:
            place.legend(loc="upper right", fontsize=8, ncols=len(curves))
    places[-1].set_xlabel("seconds")
    return figure


def _wave(place: "Axes", samples: NDArray[np.floating], spans: Sequence[PhoneSpan]) -> None:
    # The lowest and highest sample of each column: a line through every tenth would miss peaks.
    columns = max(1, len(samples) // 4000)
    usable = samples[: len(samples) // columns * columns].reshape(-1, columns)
    times = np.arange(len(usable)) * columns / SAMPLE_RATE
    place.fill_between(times, usable.min(axis=1), usable.max(axis=1), color="#475569", lw=0)
    _bands(place, spans)
    top = float(np.abs(samples).max()) or 1.0
    place.set_ylim(-1.1 * top, 1.6 * top)
    place.set_yticks([])
    for span in spans:
        place.axvline(span.start, color="black", lw=0.3, alpha=0.4)
        if span.phone != SILENCE:
            middle = (span.start + span.end) / 2
            place.text(middle, 1.3 * top, span.phone, ha="center", va="center", fontsize=9)


def _bands(place: "Axes", spans: Sequence[PhoneSpan]) -> None:
    for kind, letter in ((CLOSURE, "p"), (LIP_TEETH, "f")):
        for event in labelled_events(spans, kind):
            place.axvspan(event.start, event.end, color=_MARKED[letter], alpha=0.6, lw=0)


def confusion_figure(found: Confusion) -> "Figure":
    """Rows: what it was; columns: what it was taken for; shares of each row."""
    pyplot = _pyplot()
    there = np.flatnonzero(found.counts.sum(axis=1) + found.counts.sum(axis=0))
    counts = found.counts[np.ix_(there, there)]
    names = [found.names[k] for k in there]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 1.6 + 0.5 * len(names)
    figure, place = pyplot.subplots(figsize=(size + 0.6, size), layout="constrained")
    place.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    place.set_xticks(range(len(names)), names, rotation=60)
    place.set_yticks(range(len(names)), names)
    place.set_xlabel("taken for")
    place.set_title(
        f"right {found.accuracy:.3f}, unweighted recall {found.unweighted_recall:.3f}", fontsize=10
    )
    for i, j in np.argwhere(counts):
        colour = "white" if shares[i, j] > 0.55 else "black"
        place.text(
            j, i, f"{100 * shares[i, j]:.0f}", ha="center", va="center", fontsize=7, color=colour
        )
    return figure


def error_map(template: NDArray[np.floating], errors_mm: NDArray[np.floating]) -> "Figure":
    """The face from the front and the side, each vertex in the colour of its error."""
    pyplot = _pyplot()
    figure, places = pyplot.subplots(1, 2, figsize=(9, 5), layout="constrained")
    drawn = None
    for place, across, depth in ((places[0], 0, 2), (places[1], 2, 0)):
        order = np.argsort(template[:, depth])
        front = order[template[order, 2] > 0]
        drawn = place.scatter(
            template[front, across] * 1000,
            template[front, 1] * 1000,
            c=errors_mm[front],
            s=9,
            cmap="magma_r",
            vmin=0,
            vmax=max(float(errors_mm.max()), 1e-6),
        )
        place.set_aspect("equal")
        place.set_axis_off()
    figure.colorbar(drawn, ax=list(places), label="mm")
    return figure


def contact_sheet_of(
    offsets: NDArray[np.floating],
    fps: float,
    spans: Sequence[PhoneSpan],
    template: NDArray[np.floating] | None = None,
) -> NDArray[np.uint8]:
    """Faces at the middles of phones (evenly in time without labels), with the phone below."""
    try:
        from emoface_core.evaluation import pictures
    except ImportError:
        raise _missing("Pillow") from None
    artist = pictures.HeadArtist.of(load_head())
    rest = artist.head.vertices if template is None else template
    times, captions = _moments(spans, len(offsets), fps)
    frames = np.clip(np.round(np.asarray(times) * fps).astype(int), 0, len(offsets) - 1)
    faces = [artist.draw(rest + offsets[frame], size=(150, 180)) for frame in frames]
    return pictures.contact_sheet(faces, captions, columns=8)


def _moments(spans: Sequence[PhoneSpan], frames: int, fps: float) -> tuple[list[float], list[str]]:
    said = [span for span in spans if span.phone != SILENCE and span.end <= frames / fps]
    if not said:
        count = min(_SHEET_FRAMES // 2, frames)
        times = np.linspace(0, (frames - 1) / fps, count)
        return times.tolist(), [f"{time:.2f} s" for time in times]
    picked = [said[k] for k in np.unique(np.linspace(0, len(said) - 1, _SHEET_FRAMES).astype(int))]
    middles = [(span.start + span.end) / 2 for span in picked]
    return middles, [f"{s.phone}  {t:.2f} s" for s, t in zip(picked, middles, strict=True)]


# --- Files ----------------------------------------------------------------------------------------


def _how_scored() -> list[str]:
    return [
        f"Closures: the lips' gap below {1000 * SHUT:g} mm, middles within 40 ms of each other; "
        "silence is not judged. `teacher` is told the labels (what can be reached), `chance` is "
        "the teacher out of step, Rhubarb is scored by its cues A and G. In the plots closures are "
        "red, lip to teeth green.",
        "",
    ]


def _folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"“{folder}” cannot be made ({error.strerror}).", "Choose another."
        ) from None
    return folder


def _page(folder: Path, lines: Sequence[str]) -> Path:
    page = folder / "report.md"
    page.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return page


def _picture(folder: Path, name: str, figure: "Figure", caption: str) -> str:
    figure.savefig(folder / name, dpi=110)
    _pyplot().close(figure)
    return f"![{caption}]({name})\n"


def _sheet(folder: Path, name: str, sheet: NDArray[np.uint8], caption: str) -> str:
    from PIL import Image

    Image.fromarray(sheet).save(folder / name)
    return f"{caption}:\n\n![{caption}]({name})\n"


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name.lower())


def _pyplot() -> Any:  # matplotlib is imported only when a plot is made
    try:
        import matplotlib
    except ImportError:
        raise _missing("matplotlib") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def _missing(package: str) -> InputError:
    return InputError(
        f"A report with plots needs {package}, which is not installed.",
        f"Install it (pip install {package}), or leave --report out.",
    )
