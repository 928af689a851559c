"""The pinhole camera of a scene: metres on the ground to pixels in the picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

NEAR_M = 0.4
"""Nothing nearer than this is drawn."""


@dataclass(frozen=True)
class Camera:
    """World axes in metres: x to the right, y up, z along the road away from the camera.

    Attributes:
        width, height: picture size in pixels.
        x, y: where the camera hangs; z is 0.
        yaw: radians to the right; pitch: radians downwards.
        focal: focal length as a share of the picture's width.
    """

    width: int
    height: int
    x: float = 1.1
    y: float = 2.05
    yaw: float = -0.10
    pitch: float = 0.115
    focal: float = 1.2

    @cached_property
    def matrix(self) -> Points:
        """The 3x4 projection matrix."""
        f = self.focal * self.width
        inner = np.array([[f, 0, self.width / 2], [0, f, self.height / 2], [0, 0, 1.0]])
        cy, sy = np.cos(self.yaw), np.sin(self.yaw)
        cp, sp = np.cos(self.pitch), np.sin(self.pitch)
        turn = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
        tilt = np.array([[1, 0, 0], [0, -cp, -sp], [0, -sp, cp]])
        # Picture rows grow downwards while y grows upwards, hence the minus signs of the tilt.
        rotation = tilt @ turn
        return np.asarray(
            inner @ np.hstack([rotation, -rotation @ np.array([[self.x], [self.y], [0.0]])])
        )

    def project(self, points: Points) -> Points:
        """World points (N, 3) to pixels (N, 2); they must lie in front of the camera."""
        flat = np.column_stack([points, np.ones(len(points))]) @ self.matrix.T
        return np.asarray(flat[:, :2] / flat[:, 2:])

    def depth(self, points: Points) -> Points:
        """Distance along the line of sight of world points (N, 3), in metres; shape (N,)."""
        return np.asarray(np.column_stack([points, np.ones(len(points))]) @ self.matrix[2])

    def outline(self, corners: Points) -> Points:
        """The visible part of a convex polygon (N, 3) in pixels (M, 2); M may be 0."""
        depth = self.depth(corners)
        kept = []
        for i in range(len(corners)):
            j = (i + 1) % len(corners)
            if depth[i] >= NEAR_M:
                kept.append(corners[i])
            if (depth[i] >= NEAR_M) != (depth[j] >= NEAR_M):
                share = (NEAR_M - depth[i]) / (depth[j] - depth[i])
                kept.append(corners[i] + share * (corners[j] - corners[i]))
        return self.project(np.array(kept)) if kept else np.zeros((0, 2))

    def plane(self, origin: Points, right: Points, down: Points) -> Points:
        """Homography (3x3) from texture shares (u, v) of a rectangle in space to pixels.

        ``origin`` is the rectangle's left top corner; ``right`` and ``down`` are its sides.
        """
        m = self.matrix
        return np.column_stack([m[:, :3] @ right, m[:, :3] @ down, m[:, :3] @ origin + m[:, 3]])
