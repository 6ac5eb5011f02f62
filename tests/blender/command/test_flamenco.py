# SPDX-License-Identifier: GPL-3.0-or-later
"""The job type for Flamenco: compiled by a stand-in of its Manager; its commands are ours."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import bpy
import pytest

import blender_addon
from blender_addon import compat
from blender_addon.command import cli, jobs
from blender_addon.command.options import parser
from blender_addon.layers import ownership
from blender_addon.scene import head_object
from emoface_core.emotions import AUTO, EMOTIONS

from ..conftest import write_voice

SCRIPT = Path(blender_addon.__file__).with_name("flamenco") / "emoface_bake.js"
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node runs the script")

# What Flamenco Manager gives to a script (internal/manager/job_compilers of Flamenco 3): it checks
# names and types as Go does, and stops at what is no property of a task or job.
MANAGER = r"""
const vm = require("vm"), fs = require("fs");
const [script, settings] = [process.argv[1], JSON.parse(process.argv[2])];
const text = (value, what) => {
    if (typeof value !== "string" || !value.trim()) throw `${what} is required`;
    return value.trim();
};
const tasks = [];
const author = {
    Task: (name, type) => Object.seal({
        name: text(name, "name"), type: text(type, "type"), commands: [], dependencies: [],
        addCommand(command) { this.commands.push(command); },
        addDependency(task) { this.dependencies.push(task.name); },
    }),
    Command: (name, parameters) => ({ name: text(name, "command"), parameters }),
};
const frameChunker = (range, size) => {
    const frames = [...new Set(range.split(",").flatMap((part) => {
        const [first, last = first] = part.replace("..", "-").split("-").map(Number);
        return Array.from({ length: last - first + 1 }, (_, n) => first + n);
    }))].sort((a, b) => a - b);
    const chunks = [];
    for (let n = 0; n < frames.length; n += size) {
        const part = frames.slice(n, n + size);
        chunks.push(part.length > 2 ? `${part[0]}-${part[part.length - 1]}` : part.join(","));
    }
    return chunks;
};
const job = Object.freeze({ settings, name: "job", addTask: (task) => tasks.push(task) });
const world = vm.createContext({ author, frameChunker, print() {}, path: {}, job });
const compile = "compileJob(job); JSON.stringify(JOB_TYPE)";
vm.runInContext(fs.readFileSync(script, "utf8"), world, { filename: script });
console.log(JSON.stringify({ type: JSON.parse(vm.runInContext(compile, world)), tasks }));
"""

SETTINGS = {
    "blendfile": "/farm/in.blend",
    "output_file": "/farm/out ü.blend",
    "results_folder": "/farm/results",
    "render_output": "/farm/render/######",
    "scene": "Scene 1",
    "format": "PNG",
    "emotion": "unchanged",
    "object": "",
    "preset": "",
    "frames": "",
    "chunk_size": 10,
    "jobs_file": "",
    "tasks": 1,
}


def compiled(**settings: Any) -> dict[str, Any]:
    done = subprocess.run(
        ["node", "-e", MANAGER, str(SCRIPT), json.dumps({**SETTINGS, **settings})],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def options(task: dict[str, Any]) -> Any:
    """What our own command makes of a task's arguments."""
    (command,) = task["commands"]
    assert (command["name"], task["type"]) == ("blender-render", "blender")
    given = command["parameters"]
    assert given.keys() == {"exe", "exeArgs", "argsBefore", "blendfile", "args"}
    assert (given["exe"], given["exeArgs"]) == ("{blender}", "{blenderArgs}")
    assert given["blendfile"] == SETTINGS["blendfile"]
    assert given["args"][:3] == ["--command", "emoface", "bake"]
    return parser().parse_args(given["args"][3:])


@needs_node
def test_the_settings_are_as_flamenco_knows_them() -> None:
    kind = compiled()["type"]
    assert kind["label"] == "EmoFace Bake"
    known = {"key", "type", "subtype", "choices", "propargs", "description", "default", "eval",
             "visible", "required", "label", "editable", "evalInfo"}  # fmt: skip
    for setting in kind["settings"]:
        assert setting.keys() <= known, setting
        assert setting["type"] in {"string", "int32", "float", "bool"}
        assert setting.get("subtype", "file_path") in {"file_path", "dir_path"}
        assert setting.get("visible", "visible") in {"visible", "hidden", "submission", "web"}
        if "eval" in setting:
            compile(setting["eval"], setting["key"], "eval")
    by_key = {setting["key"]: setting for setting in kind["settings"]}
    assert by_key.keys() == SETTINGS.keys()
    assert by_key["emotion"]["choices"] == ["unchanged", AUTO, *EMOTIONS]


@needs_node
def test_a_bake_then_frames_that_wait_for_it() -> None:
    bake, *renders = compiled(frames="1-25", object="Ada", emotion="sad", preset="a b.json")[
        "tasks"
    ]
    given = options(bake)
    assert (given.all, given.object, given.emotion) == (True, "Ada", "sad")
    assert (given.preset, given.save) == ("a b.json", "/farm/out ü.blend")
    assert given.results == "/farm/results"
    assert [task["name"] for task in renders] == ["render-1-10", "render-11-20", "render-21-25"]
    assert all(task["dependencies"] == ["bake"] for task in renders)
    first = renders[0]["commands"][0]["parameters"]
    assert first["blendfile"] == "/farm/out ü.blend"
    assert first["args"] == ["--scene", "Scene 1", "--render-output", "/farm/render/######",
                             "--render-format", "PNG", "--render-frame", "1..10"]  # fmt: skip


@needs_node
def test_nothing_chosen_is_nothing_said() -> None:
    (bake,) = compiled()["tasks"]
    given = options(bake)
    assert (given.object, given.preset, given.emotion) == (None, None, None)


@needs_node
def test_a_list_in_parts() -> None:
    tasks = compiled(jobs_file="/farm/jobs.csv", tasks=3, frames="1-9")["tasks"]
    assert [options(task).part for task in tasks] == ["1/3", "2/3", "3/3"]
    assert {options(task).jobs for task in tasks} == {"/farm/jobs.csv"}


@needs_node
def test_a_wrong_output_is_refused() -> None:
    with pytest.raises(AssertionError, match=r"output_file must be the name of a \.blend file"):
        compiled(output_file="/farm/out")


@needs_node
@pytest.mark.usefixtures("warm_command")
@pytest.mark.skipif(bpy.app.version < (4, 3), reason="this bpy is built without Audaspace")
def test_the_task_runs_and_may_run_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head_object.add_head(bpy.context, "Ada")
    voice = write_voice(tmp_path / "a.wav", 1.0)
    compat.new_sound_strip(bpy.context.scene, "Ada_1", str(voice), 1, 5)
    source, out = tmp_path / "in.blend", tmp_path / "out.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(source))
    (task,) = compiled(output_file=str(out), results_folder=str(tmp_path / "results"))["tasks"]
    arguments = task["commands"][0]["parameters"]["args"][2:]
    assert cli.command(arguments) == 0
    written = out.stat().st_mtime_ns
    bpy.ops.wm.open_mainfile(filepath=str(source))
    assert ownership.record_of(bpy.data.objects["Ada"]) is None, "the submitted file is as it was"
    capsys.readouterr()
    assert cli.command(arguments) == 0
    assert "already done" in capsys.readouterr().err
    assert out.stat().st_mtime_ns == written


def test_the_page_names_what_there_is() -> None:
    page = SCRIPT.with_name("README.md").read_text("utf-8")
    (listed,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    for item in json.loads(listed):
        jobs._job(jobs.BakeJob(), item)
    options = set(re.findall(r"--[a-z]+[a-z-]*", page)) - {"--factory-startup", "--command"}
    assert options <= set(parser()._option_string_actions)
