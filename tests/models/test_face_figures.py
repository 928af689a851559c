"""Figures that faces are drawn from: a shape moves them, clothes follow, a bad file is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from config.errors import UserError
from models.training.faces.assets import Assets, picture
from models.training.faces.person import rotation

SQUARE = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
FACE = [11, 0, 1, 2, 3, 0, 0, 1, 2, 3]
"""A quad with material and texture points, in three.js' JSON format 3."""


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A body of one square with a second one as a helper, and a shape that lifts it."""
    write(
        tmp_path / "data/models/human_full_size.json",
        {
            "vertices": np.array([*SQUARE, *(np.array(SQUARE) + 5)]).ravel().tolist(),
            "faces": [*FACE, 11, 4, 5, 6, 7, 1, 0, 1, 2, 3],
            "uvs": [[0, 0, 1, 0, 1, 1, 0, 1]],
            "materials": [{"DbgName": "body"}, {"DbgName": "helper-l-eye"}],
        },
    )
    np.savez(
        tmp_path / "targets.npz",
        **{
            "targets/nose/nose-up.index": np.array([0, 2], np.uint16),
            "targets/nose/nose-up.vector": np.array([[0, 1000, 0], [0, 2000, 0]], np.int16),
        },
    )
    return tmp_path


def hat(folder: Path, **changes: Any) -> None:
    """A hat of one triangle a decimetre above the body's first three vertices."""
    about = {
        "ref_vIdxs": [[0, 1, 2]] * 3,
        "weights": np.eye(3).tolist(),
        "offsets": [[0, 1, 0]] * 3,
        "deleteVerts": [0, 0, 1, 0, 0, 0, 0, 0],
        "license": {"license": "CC BY 4.0", "author": "Somebody"},
    }
    write(
        folder / "data/proxies/clothes/hat/hat.json",
        {
            "faces": [42, 0, 1, 2, 0, 0, 1, 2, 0, 0, 0],
            "uvs": [[0, 0, 1, 0, 1, 1]],
            "metadata": about | changes,
        },
    )


def test_a_shape_moves_its_vertices_by_its_share_in_decimetres(folder: Path) -> None:
    assets = Assets(folder)
    assert assets.shape_names == ("nose/nose-up",)
    body = assets.rest.copy()
    assets.add_shape(body, "nose/nose-up", 0.5)
    moved = body - assets.rest
    assert moved[[0, 2]].tolist() == [[0, 0.5, 0], [0, 1.0, 0]]
    assert not moved[[1, 3]].any()


def test_only_skin_above_the_asked_height_is_drawn_and_helpers_are_found(folder: Path) -> None:
    assets = Assets(folder)
    skin = assets.skin(above=-1)
    assert sorted(skin.corners.tolist()) == [0, 1, 2, 3]
    assert len(skin.triangles) == 2
    assert len(assets.skin(above=0.5).triangles) == 0
    assert assets.helper("helper-l-eye").tolist() == [4, 5, 6, 7]


def test_what_is_worn_follows_the_body_and_hides_what_is_under_it(folder: Path) -> None:
    hat(folder)
    assets = Assets(folder)
    (worn,) = assets.wear("clothes")
    assert worn.hidden.tolist() == [2]
    body = assets.rest.copy()
    body[:, 0] += 3
    assert np.allclose(worn.fitted(body), body[:3] + (0, 1, 0))


@pytest.mark.parametrize(
    ("licence", "author", "free"),
    [
        ("CC0", "", True),
        ("CC BY 3.0", "somebody", True),
        ("AGPL3 (see also ...)", "Manuel Bastioni, Jonas Hauquier", True),
        ("AGPL3 (see also ...)", "somebody", False),
        ("AGPL3 (see also ...)", "somebody, Manuel Bastioni", False),
        ("", "", False),
    ],
)
def test_only_what_may_be_drawn_is_worn(
    folder: Path, licence: str, author: str, free: bool
) -> None:
    hat(folder, license={"license": licence, "author": author})
    if free:
        assert len(Assets(folder).wear("clothes")) == 1
    else:
        with pytest.raises(UserError, match="clothes"):
            Assets(folder).wear("clothes")
    hat(folder, license=None)
    with pytest.raises(UserError, match="clothes"):
        Assets(folder).wear("clothes")


@pytest.mark.parametrize("spoilt", ["", "{", "[]", '{"vertices": [1, 2]}'])
def test_a_spoilt_mesh_is_named_with_where_to_get_it(folder: Path, spoilt: str) -> None:
    (folder / "data/models/human_full_size.json").write_text(spoilt)
    with pytest.raises(UserError, match=r"human_full_size\.json.*model-card"):
        Assets(folder)


@pytest.mark.parametrize(
    "changes", [{"ref_vIdxs": [[0, 1]]}, {"weights": []}, {"offsets": None}, {"ref_vIdxs": "no"}]
)
def test_spoilt_clothes_are_named(folder: Path, changes: dict[str, Any]) -> None:
    hat(folder, **changes)
    with pytest.raises(UserError, match=r"hat\.json"):
        Assets(folder).wear("clothes")


def test_what_is_not_there_is_named(folder: Path) -> None:
    assets = Assets(folder)
    with pytest.raises(UserError, match="hair"):
        assets.wear("hair")
    (folder / "targets.npz").unlink()
    with pytest.raises(UserError, match=r"targets\.npz"):
        Assets(folder)
    with pytest.raises(UserError, match=r"no\.png"):
        picture(folder / "no.png")


def test_a_texture_is_shrunk_and_keeps_its_alpha(tmp_path: Path) -> None:
    pixels = np.zeros((200, 1000, 4), np.uint8)
    pixels[..., 0], pixels[..., 3] = 250, 128
    cv2.imwrite(str(tmp_path / "skin.png"), pixels)
    texture = picture(tmp_path / "skin.png", side=500)
    assert texture.shape == (100, 500, 4)
    assert texture[0, 0].tolist() == [0, 0, 250, 128], "red comes first"


def test_turns_are_about_their_own_axes() -> None:
    right, up, ahead = np.eye(3, dtype=np.float32)
    quarter = np.pi / 2
    assert np.allclose(rotation(yaw=quarter, pitch=0, roll=0) @ ahead, right, atol=1e-6)
    assert np.allclose(rotation(yaw=0, pitch=quarter, roll=0) @ up, ahead, atol=1e-6)
    assert np.allclose(rotation(yaw=0, pitch=0, roll=quarter) @ right, up, atol=1e-6)
