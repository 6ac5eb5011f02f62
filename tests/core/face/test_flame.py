# SPDX-License-Identifier: GPL-3.0-or-later
"""FLAME's parameters to vertices, on a made-up model of the true form."""

import numpy as np
import pytest

from emoface_core.errors import InputError
from emoface_core.face.flame import convert_flame, read_flame, rotations
from tests.core.training.datasets.made import flame_arrays, flame_pickle


@pytest.fixture(scope="module")
def arrays():
    return flame_arrays()


@pytest.fixture(scope="module")
def flame(arrays, tmp_path_factory):
    folder = tmp_path_factory.mktemp("flame")
    flame_pickle(folder / "generic_model.pkl", arrays)
    convert_flame(folder / "generic_model.pkl", folder / "flame.npz")
    return read_flame(folder / "flame.npz")


def test_rotations_by_hand():
    quarter = rotations(np.array([[0, 0, np.pi / 2], [np.pi, 0, 0], [0, 0, 0]]))
    assert np.allclose(quarter[0], [[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    assert np.allclose(quarter[1], np.diag([1, -1, -1]))
    assert np.array_equal(quarter[2], np.eye(3))
    small = rotations(np.array([1e-9, 0, 0]))
    assert np.allclose(small[2, 1], 1e-9, rtol=1e-6)


def test_conversion_keeps_every_array(flame, arrays):
    assert np.allclose(flame.template, arrays["v_template"], atol=1e-7)
    assert np.allclose(flame.shapes[7], arrays["shapedirs"][..., 7], atol=1e-7)
    assert np.allclose(flame.expressions[99], arrays["shapedirs"][..., 399], atol=1e-7)
    assert np.array_equal(flame.joint_regressor, arrays["J_regressor"].astype(np.float32))
    assert flame.pose_correctives.shape == (36, 5023, 3)


@pytest.mark.parametrize("kind", ["npz", 4])
def test_other_files_of_the_same_model(kind, arrays, flame, tmp_path):
    source = tmp_path / ("m.npz" if kind == "npz" else "m.pkl")
    if kind == "npz":
        np.savez(source, **arrays)
    else:
        small = arrays | {"posedirs": arrays["posedirs"].astype(np.float32)}
        flame_pickle(source, small, kind)
    assert np.array_equal(convert_flame(source, tmp_path / "o.npz").shapes, flame.shapes)


def test_shape_and_expression_are_sums(flame, arrays):
    shape, expression = np.array([1.0, -2.0]), np.array([[0.0, 0.5], [0.0, 0.0]])
    made = flame.vertices(expression, shape=shape)
    directions = arrays["shapedirs"]
    neutral = arrays["v_template"] + directions[..., 0] - 2 * directions[..., 1]
    assert np.allclose(made[0], neutral + 0.5 * directions[..., 301], atol=1e-6)
    assert np.allclose(made[1], neutral, atol=1e-6)
    assert np.allclose(flame.neutral(shape), neutral, atol=1e-6)


def test_the_jaw_turns_what_hangs_on_it_about_its_joint(flame, arrays):
    rest = arrays["v_template"]
    made = flame.vertices(np.zeros((1, 0)), jaw=np.array([[np.pi / 2, 0, 0]]))[0]
    joint = rest[2]  # where the made-up model has it
    x, y, z = (rest[150] - joint).T
    assert np.allclose(made[150] - joint, [x, -z, y], atol=1e-6)  # a quarter turn about x
    still = np.r_[0:100, 200:5023]
    assert np.allclose(made[still], rest[still], atol=1e-6)


def test_the_neck_carries_the_jaw(flame, arrays):
    rest = arrays["v_template"]
    turn = np.array([[0, 0, np.pi / 2]])
    made = flame.vertices(np.zeros((1, 0)), neck=turn, jaw=-turn)[0]
    neck, jaw = rest[1], rest[2]
    x, y, z = (jaw - neck).T
    carried = neck + np.array([-y, x, z])  # the jaw's joint, a quarter turn about the neck's
    assert np.allclose(made[150], carried + rest[150] - jaw, atol=1e-6)  # the two turns undo


def test_pose_correctives_follow_the_rotations(flame, arrays, tmp_path):
    bent = arrays | {"posedirs": np.zeros((5023, 3, 36))}
    bent["posedirs"][3000, 1, 9 + 4] = 1.0  # the jaw's matrix, row 1, column 1
    np.savez(tmp_path / "m.npz", **bent)
    model = convert_flame(tmp_path / "m.npz", tmp_path / "o.npz")
    made = model.vertices(np.zeros((1, 0)), jaw=np.array([[np.pi / 3, 0, 0]]))[0]
    assert np.allclose(made[3000] - arrays["v_template"][3000], [0, 0.5 - 1, 0], atol=1e-6)


def test_long_clips_are_made_in_blocks(flame):
    expression = np.random.default_rng(0).standard_normal((130, 3))
    made = flame.vertices(expression, jaw=0.1 * expression)
    one = flame.vertices(expression[100:101], jaw=0.1 * expression[100:101])
    assert np.allclose(made[100], one[0], atol=1e-7)


@pytest.mark.parametrize(
    "change, says",
    [
        ({"weights": None}, "lacks “weights”"),
        ({"v_template": np.zeros((6890, 3))}, "v_template"),
        ({"shapedirs": np.zeros((5023, 3, 10))}, "10 shapes"),
        ({"kintree_table": np.array([[0, 0, 1, 2, 3], [0, 1, 2, 3, 4]])}, "joints"),
        ({"f": np.zeros((9976, 3), int)}, "triangle|face|edge|order|topology"),
        ({"posedirs": np.full((5023, 3, 36), np.nan)}, "posedirs"),
    ],
)
def test_other_models_are_refused(arrays, tmp_path, change, says):
    kept = {k: v for k, v in (arrays | change).items() if v is not None}
    np.savez(tmp_path / "m.npz", **kept)
    with pytest.raises(InputError, match=says):
        convert_flame(tmp_path / "m.npz", tmp_path / "o.npz")
    assert not (tmp_path / "o.npz").exists()


def test_parameters_of_wrong_sizes(flame, tmp_path):
    with pytest.raises(InputError, match="expression"):
        flame.vertices(np.zeros((2, 101)))
    with pytest.raises(InputError, match="jaw"):
        flame.vertices(np.zeros((2, 3)), jaw=np.zeros((3, 3)))
    with pytest.raises(InputError, match="shape"):
        flame.vertices(np.zeros((2, 3)), shape=np.zeros(301))
    np.savez(tmp_path / "x.npz", a=1)
    with pytest.raises(InputError, match="no converted FLAME model"):
        read_flame(tmp_path / "x.npz")
