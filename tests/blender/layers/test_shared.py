# SPDX-License-Identifier: GPL-3.0-or-later
"""Linked copies share one intensity; a copy with a mesh of its own has its own."""

import tempfile
from pathlib import Path

import bpy
import numpy as np
import pytest

from blender_addon.control import live
from blender_addon.curves.naming import INTENSITY
from blender_addon.layers import ownership, writer

from ..conftest import add_face, evaluated
from ..control.test_live import bake
from ..snapshot import differences, snapshot

pytestmark = pytest.mark.usefixtures("addon")


def copy_of(obj: bpy.types.Object) -> bpy.types.Object:
    """Alt-D."""
    only(obj)
    bpy.ops.object.duplicate(linked=True)
    return bpy.context.view_layer.objects.active


def only(obj: bpy.types.Object) -> None:
    for other in bpy.context.selected_objects:
        other.select_set(False)
    obj.select_set(True)
    bpy.context.view_layer.objects.active = obj


def moves(slider: bpy.types.Object, obj: bpy.types.Object) -> bool:
    """Whether the intensity of the one moves the other."""
    before, value = evaluated(obj, 30), slider[INTENSITY]
    slider[INTENSITY] = 0.1
    slider.update_tag()
    after = evaluated(obj, 30)
    slider[INTENSITY] = value
    slider.update_tag()
    return not np.array_equal(before, after)


def mended_at_a_change(obj: bpy.types.Object) -> None:
    obj.emoface.regions.brows = 0.5


def mended_by_the_panel(obj: bpy.types.Object) -> None:
    assert ownership.has_stray_drivers(obj)
    live.own_intensities()


def mended_in_the_file(obj: bpy.types.Object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bpy.ops.wm.save_as_mainfile(filepath=str(Path(folder) / "copies.blend"))


@pytest.mark.parametrize("mend", [mended_at_a_change, mended_by_the_panel, mended_in_the_file])
@pytest.mark.parametrize("copied_first", [False, True])
def test_a_copy_made_single_has_its_own_intensity(mend, copied_first: bool) -> None:
    obj = add_face("Anna")
    copy = copy_of(obj) if copied_first else None
    bake(obj)
    obj[INTENSITY] = 0.7
    copy = copy or copy_of(obj)
    only(copy)
    bpy.ops.object.make_single_user(type="SELECTED_OBJECTS", object=True, obdata=True)
    assert copy.data.shape_keys != obj.data.shape_keys
    mend(copy)
    assert copy[INTENSITY] == pytest.approx(0.7)
    assert moves(copy, copy) and not moves(obj, copy)
    assert moves(obj, obj) and not moves(copy, obj)
    assert not ownership.has_stray_drivers(copy) and not ownership.has_stray_drivers(obj)


def test_linked_copies_share_the_intensity_through_another_bake() -> None:
    obj = add_face("Anna")
    bake(obj)
    copy = copy_of(obj)
    assert ownership.intensity_home(copy) == obj
    bake(copy)
    assert ownership.intensity_home(copy) == ownership.intensity_home(obj) == obj
    assert moves(obj, copy)


@pytest.mark.parametrize("copied_first", [False, True])
def test_removal_through_a_linked_copy_leaves_nothing(copied_first: bool) -> None:
    obj = add_face("Anna")
    copy = copy_of(obj) if copied_first else None
    before = snapshot()
    bake(obj)
    copy = copy or copy_of(obj)
    bake(copy)
    ownership.remove_bake(copy)
    assert INTENSITY not in obj and INTENSITY not in copy
    assert obj.data.shape_keys is None
    if copied_first:
        wrong = [line for line in differences(before, snapshot()) if "emoface." not in line]
        assert not wrong, "\n".join(wrong)


def test_an_intensity_that_the_original_keyed_stays() -> None:
    obj = add_face("Anna")
    bake(obj)
    copy = copy_of(obj)
    obj.keyframe_insert(f'["{INTENSITY}"]', frame=1)
    ownership.remove_bake(copy)
    assert INTENSITY in obj and INTENSITY not in copy


def test_a_deleted_original_leaves_its_copy_an_intensity() -> None:
    obj = add_face("Anna")
    bake(obj)
    copy = copy_of(obj)
    bpy.data.objects.remove(obj)
    writer.own_intensity(copy)
    assert moves(copy, copy)
