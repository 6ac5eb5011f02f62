# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line as a person meets it: exit codes, one line for bad input, whole files."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emoface_core import cli, cli_animate
from emoface_core.cli import main
from emoface_core.files import load_npz

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def animate(audio: Path, *options: str) -> tuple[int, str]:
        words = [str(audio), "-o", str(tmp_path / "out.npz"), "--model", str(tiny_model)]
        capsys.readouterr()
        code = main(["animate", *words, "--engine", "onnx", *options])
        return code, capsys.readouterr().err

    return animate


def test_animate(run: Run, clip: Path, tmp_path: Path) -> None:
    code, said = run(clip, "--emotion", "happy", "--intensity", "0.7", "--fps", "29.97")
    assert (code, said) == (0, "")
    out = load_npz(tmp_path / "out.npz")
    assert out["offsets"].shape == (90, 5023, 3)
    assert float(out["fps"]) == 30000 / 1001
    assert sorted(f.name for f in tmp_path.iterdir()) == ["clip.wav", "out.npz"]


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("24", 24),
        ("23.976", 24000 / 1001),
        ("23.98", 24000 / 1001),
        ("29.97", 30000 / 1001),
        ("30000/1001", 30000 / 1001),
        ("59.94", 60000 / 1001),
        ("12.5", 12.5),
        ("30", 30),
    ],
)
def test_frame_rates(text: str, rate: float) -> None:
    assert cli_animate.frame_rate(text) == rate


@pytest.mark.parametrize("kind", ["wav24", "flac", "ogg", "mp3", "stereo", "44100", "ünïcode 声"])
def test_all_kinds_of_sound(run: Run, tmp_path: Path, babble, kind: str) -> None:
    sound, rate, path, subtype = babble(0.6), 16000, tmp_path / "sound.wav", "PCM_16"
    match kind:
        case "wav24":
            subtype = "PCM_24"
        case "flac" | "ogg" | "mp3":
            path = path.with_suffix(f".{kind}")
            subtype = None
        case "stereo":
            sound = np.stack([sound, sound[::-1]], axis=1)
        case "44100":
            rate, sound = 44100, np.repeat(sound, 3)
        case _:
            path = tmp_path / f"{kind}.wav"
    soundfile.write(path, sound, rate, subtype=subtype)
    code, said = run(path)
    assert (code, said) == (0, "")


def _bad_sound(kind: str, folder: Path) -> Path:
    path = folder / "bad.wav"
    match kind:
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("To be, or not to be\n" * 50)
        case "corrupt":
            soundfile.write(path, np.zeros(16000), 16000)
            data = path.read_bytes()
            path.write_bytes(data[:20] + b"\xff" * 30 + data[50:])
        case "cut":
            soundfile.write(folder / "x.flac", np.random.default_rng(0).random(32000) - 0.5, 16000)
            path = folder / "cut.flac"
            path.write_bytes((folder / "x.flac").read_bytes()[:20000])
        case "nan":
            sound = np.zeros(16000, np.float32)
            sound[500] = np.nan
            soundfile.write(path, sound, 16000, subtype="FLOAT")
        case "infinite":
            soundfile.write(path, np.full(16000, np.inf, np.float32), 16000, subtype="FLOAT")
        case "zero length":
            soundfile.write(path, np.zeros(0), 16000)
        case "folder":
            path.mkdir()
    return path


@pytest.mark.parametrize(
    "kind",
    ["missing", "empty", "text", "corrupt", "cut", "nan", "infinite", "zero length", "folder"],
)
def test_bad_sound_is_one_line_and_exit_code_2(run: Run, tmp_path: Path, kind: str) -> None:
    code, said = run(_bad_sound(kind, tmp_path))
    assert code == 2
    assert said.count("\n") == 1
    assert "Traceback" not in said
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--emotion", "glee"],
        ["--intensity", "2"],
        ["--intensity", "much"],
        ["--preference", "-1"],
        ["--fps", "0"],
        ["--fps", "1/0"],
        ["--fps", "nan"],
        ["--neutral", "nothing.ply"],
        ["--engine", "steam"],
        ["--device", "cuda"],
        ["--model", "nowhere"],
        ["--start", "99"],
        ["--duration", "0"],
        ["-o", "out.txt"],
        ["-o", "no/such/folder/out.npz"],
        ["--surprise"],
    ],
)
def test_bad_options_are_one_line_and_exit_code_2(run: Run, clip: Path, options: list) -> None:
    code, said = run(clip, *options)
    assert code == 2
    assert said.count("\n") == 1
    assert "Traceback" not in said


@pytest.mark.parametrize("sound", ["silence", "very short"])
def test_silence_is_no_error(run: Run, tmp_path: Path, sound: str) -> None:
    samples = np.zeros(16000 if sound == "silence" else 800)
    soundfile.write(tmp_path / "quiet.wav", samples, 16000)
    assert run(tmp_path / "quiet.wav") == (0, "")
    assert np.isfinite(load_npz(tmp_path / "out.npz")["offsets"]).all()


def test_the_sound_is_never_overwritten(run: Run, clip: Path) -> None:
    before = clip.read_bytes()
    code, _ = run(clip, "-o", str(clip))
    assert code == 2
    assert clip.read_bytes() == before


def test_a_full_disk_is_one_line_and_leaves_nothing(
    tiny_model: Path, clip: Path, tmp_path: Path
) -> None:
    """No file may grow beyond 3 MB, as if the disk ended there."""
    resource = pytest.importorskip("resource")
    command = [sys.executable, "-m", "emoface_core", "animate", str(clip), "--engine", "onnx"]
    command += ["-o", str(tmp_path / "out.npz"), "--model", str(tiny_model)]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))

    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "disk is full" in done.stderr
    assert [f.name for f in tmp_path.iterdir()] == ["clip.wav"]


def test_a_fault_of_ours_has_a_report(
    run: Run, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emoface_core.engine.animate.rig_for", lambda _: 1 / 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, said = run(clip)
    assert code == 1
    assert said.count("\n") == 1
    report = next(tmp_path.glob("emoface-report-*.txt")).read_text()
    assert "ZeroDivisionError" in report
    assert "numpy" in report


def test_interrupted(run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("emoface_core.engine.animate.rig_for", interrupt)
    code, said = run(clip)
    assert (code, said.count("\n")) == (130, 1)


def test_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["--help"]) == 0
    assert "animate" in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert main(["dance"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(SystemExit) as ended:
        main(["animate", "--help"])
    assert ended.value.code == 0


def test_a_command_whose_package_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "needy.py").write_text("import surely_not_installed")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(cli.COMMANDS, "needy", ("needy", ""))
    assert main(["needy"]) == 2
    assert "surely_not_installed" in capsys.readouterr().err


def test_help_is_quick_to_load() -> None:
    code = (
        "import sys\nfrom emoface_core.cli import main\n"
        "try: main(['animate', '--help'])\nexcept SystemExit: pass\n"
        "bad = {'torch', 'onnxruntime', 'numpy'} & set(sys.modules)\n"
        "sys.exit(str(bad) if bad else 0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_doctor(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--model", str(tiny_model)]) == 0
    said = capsys.readouterr().out
    assert "onnx engine" in said
    assert "real time" in said
    assert main(["doctor", "--model", str(tmp_path)]) == 2
    assert "MISSING" in capsys.readouterr().out
