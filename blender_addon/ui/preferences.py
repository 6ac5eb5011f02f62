# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences: which engine runs where, its environment, its memory and files."""

import sys
from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy.types import AddonPreferences, Context, UILayout

from .. import folders, installed
from ..work import environment
from ..work.session import Engine, session
from . import progress, upkeep
from .engine_test import found
from .text import message
from .workshop import workshop

_BLENDERS_PYTHON = sys.executable
_VALUES = 0.6  # of the page's width: Blender's own share for values, beside their names


def _chosen_anew(_self: AddonPreferences, _context: Context) -> None:
    """What the last test found was another engine."""
    found.forget()


class EmoFacePreferences(AddonPreferences):
    """Which engine, where it runs, and what it keeps."""

    bl_idname = installed.NAME

    engine: EnumProperty(
        name="Engine",
        description="What runs the model",
        items=(
            ("auto", "Automatic", "PyTorch if there is an environment with it, else ONNX Runtime"),
            ("onnx", "ONNX Runtime", "The engine inside the add-on; runs on the processor"),
            ("torch", "PyTorch", "Needs an environment with PyTorch; can use a graphics card"),
        ),
        update=_chosen_anew,
    )
    device: EnumProperty(
        name="Device",
        description="Where PyTorch computes",
        items=(
            ("auto", "Automatic", "A graphics card if there is one"),
            ("cpu", "Processor", "The processor"),
            ("cuda", "CUDA", "An NVIDIA or AMD graphics card"),
            ("mps", "Metal", "An Apple graphics processor"),
        ),
        update=_chosen_anew,
    )
    python: StringProperty(
        name="Your Own Python",
        description=(
            "The Python program of an environment with PyTorch, such as /home/me/venv/bin/python "
            "or C:\\venv\\Scripts\\python.exe. Empty: the environment below if it is there, else "
            "the engine inside the add-on"
        ),
        subtype="FILE_PATH",
        update=_chosen_anew,
    )
    folder: StringProperty(
        name="Folder",
        description="Where the PyTorch environment is made. Empty: the add-on's own folder",
        subtype="DIR_PATH",
        update=_chosen_anew,
    )
    kind: EnumProperty(
        name="For",
        description="Which build of PyTorch is installed",
        items=(
            ("gpu", "Graphics Card", "NVIDIA (CUDA) on Windows and Linux, Metal on macOS"),
            ("cpu", "Processor Only", "Much smaller; no faster than the engine that is inside"),
        ),
    )
    base: StringProperty(
        name="Made by Python",
        description="The Python that makes the environment, 3.11 or later. Empty: Blender's own",
        subtype="FILE_PATH",
    )
    wheels: StringProperty(
        name="Wheels",
        description=(
            "A folder with the wheels to install, for a machine without internet. Empty: they are "
            "fetched from pypi.org and download.pytorch.org"
        ),
        subtype="DIR_PATH",
    )
    show_environment: BoolProperty(name="PyTorch Environment", description="Show or hide this part")
    show_files: BoolProperty(name="Memory and Files", description="Show or hide this part")

    def recipe(self) -> environment.Recipe:
        """The environment that these choices describe."""
        return environment.Recipe(
            folder=self.environment_folder(),
            python=bpy.path.abspath(self.base) or _BLENDERS_PYTHON,
            kind=self.kind,
            wheels=bpy.path.abspath(self.wheels),
        )

    def chosen(self) -> Engine:
        """The engine that these choices describe."""
        if self.engine == "onnx":
            return Engine(self.engine)
        own = environment.ready_python(self.environment_folder())
        return Engine(self.engine, bpy.path.abspath(self.python) or own, self.device)

    def environment_folder(self) -> Path:
        """Where the environment is, or will be."""
        return Path(bpy.path.abspath(self.folder)) if self.folder else folders.home("pytorch")

    def draw(self, context: Context) -> None:
        """The page in Blender's preferences."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        self._draw_engine(layout, context)
        layout.separator()
        self._draw_environment(layout, context)
        self._draw_files(layout)

    def _draw_engine(self, layout: UILayout, context: Context) -> None:
        column = layout.column()
        column.prop(self, "engine")
        if self.engine != "onnx":
            column.prop(self, "device")
        column.separator()
        row = _indented(column)
        row.operator("emoface.test_engine", icon="CHECKMARK")
        if found.lines:
            icon = _TEST_ICONS[found.state]
            message(_indented(column), context, *found.lines, icon=icon, part=_VALUES)

    def _draw_environment(self, layout: UILayout, context: Context) -> None:
        folder = self.environment_folder()
        state = environment.state_of(folder)
        if self.engine == "onnx":
            return
        making = workshop.making
        summary = "being made" if workshop.busy else _SUMMARY[state]
        body = _part(layout, self, "show_environment", summary)
        if body is None:
            return
        if making is not None and workshop.busy:
            row = body.row(align=True)
            row.progress(factor=making.fraction, text=f"{making.text}…")
            row.operator("emoface.cancel_environment", text="", icon="X")
            return
        progress.over(body)
        if making is not None and making.error is not None:
            message(body, context, making.error.message, making.error.hint, icon="ERROR")
        if state == "ready":
            marker = environment.read_marker(folder) or environment.Marker()
            where = f"{folder} ({marker.megabytes / 1000:.1f} GB)"
            message(body, context, marker.found, where, icon="CHECKMARK")
            _indented(body).operator("emoface.remove_environment", icon="TRASH")
        else:
            self._draw_making(body, state)
        body.separator()
        body.prop(self, "python")

    def _draw_making(self, body: UILayout, state: environment.State) -> None:
        body.prop(self, "kind")
        body.prop(self, "folder", placeholder=str(self.environment_folder()))
        body.prop(self, "base", placeholder=_BLENDERS_PYTHON)
        body.prop(self, "wheels", placeholder="From the internet")
        row = _indented(body).row(align=True)
        text = "Go On Making…" if state == "unfinished" else "Make a PyTorch Environment…"
        row.operator("emoface.make_environment", text=text, icon="IMPORT")
        if state in ("unfinished", "broken"):
            row.operator("emoface.remove_environment", text="", icon="TRASH")

    def _draw_files(self, layout: UILayout) -> None:
        body = _part(layout, self, "show_files", "running" if session.running else "")
        if body is None:
            return
        rows = (
            ("Engine", _running(), "emoface.free_memory", "PAUSE"),
            ("Working files", upkeep.work_size(), "emoface.clear_files", "TRASH"),
            ("Logs", upkeep.logs_size(), "emoface.open_logs", "FILE_FOLDER"),
        )
        for name, what, operator, icon in rows:
            split = body.split(factor=1 - _VALUES, align=True)
            label = split.row()
            label.alignment = "RIGHT"
            label.label(text=name)
            row = split.row()
            row.label(text=what)
            row.operator(operator, icon=icon)


_TEST_ICONS = {"busy": "SORTTIME", "good": "CHECKMARK", "bad": "ERROR"}
_SUMMARY: dict[environment.State, str] = {
    "none": "none, and none is needed",
    "unfinished": "unfinished",
    "ready": "ready",
    "broken": "its Python is gone",
    "foreign": "the folder holds something else",
}


def _running() -> str:
    client = session.current
    if client is None or not session.running:
        return "not running"
    return f"running on {client.hello.device}" if client.hello else "starting"


def _indented(layout: UILayout) -> UILayout:
    """A row under the values, as Blender's own buttons stand."""
    split = layout.split(factor=1 - _VALUES)
    split.column()
    return split.column()


def _part(
    layout: UILayout, preferences: AddonPreferences, switch: str, summary: str
) -> UILayout | None:
    """A heading that opens and closes; None while it is closed."""
    row = layout.row(align=True)
    row.use_property_split = False
    opened = getattr(preferences, switch)
    heading = row.row()
    heading.alignment = "LEFT"
    icon = "DOWNARROW_HLT" if opened else "RIGHTARROW"
    heading.prop(preferences, switch, icon=icon, emboss=False)
    if summary:
        note = row.row()
        note.alignment = "LEFT"
        note.enabled = False
        note.label(text=summary)
    return layout.column() if opened else None


CLASSES = (EmoFacePreferences,)
