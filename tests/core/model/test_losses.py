# SPDX-License-Identifier: GPL-3.0-or-later
"""The losses against numbers worked out by hand."""

import math

import numpy as np
import pytest
import torch

from emoface_core.face.head import load_head
from emoface_core.face.measures import lip_gap, lip_teeth_gap
from emoface_core.model.config import MeshAttentionConfig
from emoface_core.model.geometry import face_geometry
from emoface_core.model.losses import (
    LossConfig,
    Predicted,
    SupervisedVertices,
    Truth,
    classification,
    motion_losses,
    reconstruction,
    supervised_ids,
    touching,
    velocity,
    weighted_sum,
)
from tests.core.tiny_face import tiny_geometry


def constant(value: float) -> torch.Tensor:
    return torch.full((1, 4, 2, 3), float(value))


def test_reconstruction_is_a_mean_over_valid_frames():
    predicted, truth = torch.zeros(1, 4, 2, 3), torch.zeros(1, 4, 2, 3)
    predicted[0, 1] = 0.5
    predicted[0, 3] = 100.0  # not valid
    valid = torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    assert float(reconstruction(predicted, truth, valid)) == pytest.approx(0.5 / 3)


def test_reconstruction_weighs_vertices():
    predicted = torch.zeros(1, 4, 2, 3)
    predicted[:, :, 0] = 1.0
    weight = torch.tensor([1.5, 0.5])
    assert float(reconstruction(predicted, constant(0), torch.ones(1, 4), weight)) == pytest.approx(
        0.75
    )


def test_velocity_needs_both_frames_valid():
    truth = constant(0)
    predicted = torch.tensor([0.0, 1.0, 3.0, 50.0])[None, :, None, None].expand(1, 4, 2, 3)
    valid = torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    assert float(velocity(predicted, truth, valid)) == pytest.approx((1 + 2) / 2)


def test_the_total_is_the_papers():
    # Content, emotion and fused are off by 1, 2, 3 and, for the other emotion, by 0, 4, 5.
    predicted = Predicted(constant(1), constant(2), constant(3), constant(5), constant(6))
    truth = Truth(constant(0), torch.ones(1, 4), cross=constant(1))
    parts = motion_losses(predicted, truth, LossConfig())
    assert float(parts["self"]) == pytest.approx(1 + 2 + 3)
    assert float(parts["cross"]) == pytest.approx(0 + 4 + 5)
    parts["classification"] = torch.tensor(7.0)
    assert float(weighted_sum(parts, LossConfig())) == pytest.approx(6000 + 9000 + 0.0007)


def test_intermediate_supervision_can_be_switched_off():
    predicted = Predicted(constant(1), constant(2), constant(3))
    truth = Truth(constant(0), torch.ones(1, 4))
    off = LossConfig(content_supervision=0.0, emotion_supervision=0.0)
    assert float(motion_losses(predicted, truth, off)["self"]) == pytest.approx(3)


def test_content_may_be_held_to_plain_speech():
    predicted = Predicted(constant(1), constant(2), constant(3))
    truth = Truth(constant(0), torch.ones(1, 4), speech=constant(1))
    parts = motion_losses(predicted, truth, LossConfig(content_target="speech"))
    assert float(parts["self"]) == pytest.approx(0 + 2 + 3)


def test_classification_pools_over_frames_and_skips_unknown_labels():
    logits = torch.zeros(2, 3, 8)
    logits[0, 0, 2] = 3.0
    logits[0, 2, 2] = 1000.0  # does not count
    counts = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    expected = -math.log(math.exp(1.5) / (math.exp(1.5) + 7))
    assert float(classification(logits, torch.tensor([2, -1]), counts)) == pytest.approx(expected)
    assert float(classification(logits, torch.tensor([-1, -1]), counts)) == 0.0


def test_closure_is_zero_for_the_truth_and_grows_both_ways():
    counts = torch.ones(1, 2)
    truth = torch.tensor([[0.0, 8e-3]])
    assert float(touching(truth, truth, counts)) == pytest.approx(0, abs=1e-6)
    left_open = float(touching(torch.tensor([[2e-3, 8e-3]]), truth, counts))
    closed_wrongly = float(touching(torch.tensor([[0.0, 0.0]]), truth, counts))
    assert left_open > 1.5 and closed_wrongly > 0.5


def test_supervised_vertices_agree_with_the_face():
    geometry = tiny_geometry(MeshAttentionConfig(kernel=5, dilation=1))
    chosen = SupervisedVertices(geometry, LossConfig(vertices="chosen", lips=3.0))
    assert set(chosen.ids.tolist()) == set(range(12)) | {20, 21}
    weights = torch.rand(2, 3, 6)
    every = np.einsum("bnk,kvc->bnvc", weights.numpy(), geometry.basis)
    np.testing.assert_allclose(chosen.offsets(weights), every[:, :, chosen.ids], atol=1e-7)
    attention = torch.rand(2, 3, 2)
    every = attention.numpy() @ geometry.region_weight
    np.testing.assert_allclose(chosen.carried(attention), every[..., chosen.ids], atol=1e-6)
    assert float(chosen.weight.mean()) == pytest.approx(1.0)
    assert float(chosen.weight[chosen.lips[0]] / chosen.weight[5]) == pytest.approx(3.0)
    assert supervised_ids(geometry, "all").tolist() == list(range(42))


def test_the_lip_gap_is_the_one_that_is_measured():
    head = load_head()
    geometry = face_geometry(head, MeshAttentionConfig())
    chosen = SupervisedVertices(geometry, LossConfig(vertices="chosen"))
    weights = torch.rand(1, 6, len(head.shapes))
    weights[0, 0] = 0.0
    vertices = head.vertices + np.tensordot(weights[0].numpy(), head.shapes, 1)
    measured = lip_gap(vertices.astype(np.float32), head)
    found = chosen.lip_gap(chosen.offsets(weights))[0]
    np.testing.assert_allclose(found, measured, atol=1e-6)


def test_the_teeth_gap_follows_the_one_that_is_measured():
    head = load_head()
    geometry = face_geometry(head, MeshAttentionConfig())
    chosen = SupervisedVertices(geometry, LossConfig(vertices="chosen"))
    weights = torch.zeros(1, 9, len(head.shape_names))
    weights[0, :, head.shape_names.index("mouthRollLower")] = torch.linspace(0, 0.6, 9)
    vertices = head.vertices + np.tensordot(weights[0].numpy(), head.shapes, 1)
    measured = lip_teeth_gap(vertices.astype(np.float32), head)
    found = chosen.teeth_gap(chosen.offsets(weights))[0].numpy()
    assert (found >= measured - 1e-6).all()  # fewer points are never nearer
    assert (found - measured).max() < 5e-4
