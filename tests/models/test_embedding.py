"""Who someone is may only be asked under a policy that allows it, and then it is answered well."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from config.errors import UserError
from models.alignment import ARCFACE_112
from models.embedding import FaceEmbedder
from tests.models.tiny_onnx import identity


@pytest.mark.parametrize("policy", ["off", "detect", "", "WATCH"])
def test_without_an_identity_policy_nothing_is_loaded(tmp_path: Path, policy: str) -> None:
    # The file does not exist: a loader that looked at it first would say so.
    with pytest.raises(UserError, match="does not allow"):
        FaceEmbedder.open(tmp_path / "absent.onnx", model="face-reid-0095", policy=policy)


def test_a_model_that_is_no_embedding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="sface"):
        FaceEmbedder.open(tmp_path / "absent.onnx", model="yunet-n", policy="watch")


def test_vectors_have_length_one_and_batches_give_what_single_faces_give(tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    path.write_bytes(identity((2, 3, 112, 112)))
    embedder = FaceEmbedder.open(path, model="sface", policy="household")
    image = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    places = [(ARCFACE_112 + shift).astype(np.float32) for shift in (0, 20, 40)]
    together = embedder.embed(image, places)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, rtol=1e-5)
    for vector, place in zip(together, places, strict=True):
        np.testing.assert_allclose(embedder.embed(image, [place])[0], vector, atol=1e-6)
    assert len(embedder.embed(image, [])) == 0
    embedder.close()
    assert not embedder._pixels.any()


def test_no_face_stays_in_memory_where_the_network_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "network.onnx"
    path.write_bytes(identity((2, 3, 112, 112)))
    embedder = FaceEmbedder.open(path, model="sface", policy="household")

    def fail(_feeds: object) -> None:
        raise UserError(where="network", problem="it failed", remedy="report this")

    monkeypatch.setattr(embedder.session, "run", fail)
    with pytest.raises(UserError, match="failed"):
        embedder.embed(np.full((200, 200, 3), 200, np.uint8), [ARCFACE_112])
    assert not embedder._pixels.any()


@pytest.mark.shared
def test_the_same_person_is_nearer_than_another(shared: Path) -> None:
    embedder = FaceEmbedder.open(
        shared / "models/face_reid_0095.onnx", model="face-reid-0095", policy="watch"
    )
    folder = shared / "eval/face_pairs"

    def vector(name: str) -> np.ndarray:
        image = np.asarray(cv2.imread(str(folder / name)), np.uint8)
        return embedder.embed(image, [ARCFACE_112])[0]

    one = vector("Abel_Pacheco_0001.jpg")
    assert one @ vector("Abel_Pacheco_0004.jpg") > 0.5
    assert one @ vector("Afton_Smith_0001.jpg") < 0.3
