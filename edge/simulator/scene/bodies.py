"""Paints the faces of vehicles: fronts, backs and sides, with the plate in its place."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.simulator.scene.paint import Bgr, Picture, Texture, shade

PX_PER_M = 380
"""Texture resolution; finer than a plate of 145 px in the picture needs."""
_DARK: Bgr = (34, 32, 30)
_GLASS: Bgr = (62, 54, 46)
_LAMP: Bgr = (236, 232, 226)
_CHROME: Bgr = (176, 174, 170)
_TAIL: Bgr = (38, 30, 168)


def px(metres: float) -> int:
    """Metres on a vehicle's face in texture pixels."""
    return round(metres * PX_PER_M)


def sheet(width_m: float, height_m: float, colour: Bgr) -> Picture:
    """A painted metal face, a little brighter towards its top."""
    rows = np.linspace(1.08, 0.82, px(height_m), dtype=np.float32)[:, None, None]
    face = np.tile(np.array(colour, np.float32), (px(height_m), px(width_m), 1)) * rows
    return np.asarray(np.clip(face, 0, 255), dtype=np.uint8)


def rounded(height: int, width: int, radius: int) -> NDArray[np.uint8]:
    """An opaque mask with round corners."""
    mask = np.zeros((height, width), np.uint8)
    bar(mask, (0, 0, width, height), 255, radius)
    return mask


def bar(
    canvas: NDArray[np.uint8], box: tuple[int, int, int, int], colour: Bgr | int, radius: int = 0
) -> None:
    """Fill the rectangle x, y, width, height, with round corners if ``radius`` > 0."""
    x, y, w, h = box
    radius = min(radius, w // 2, h // 2)
    if radius <= 0:
        cv2.rectangle(canvas, (x, y), (x + w - 1, y + h - 1), colour, -1)
        return
    cv2.rectangle(canvas, (x + radius, y), (x + w - 1 - radius, y + h - 1), colour, -1)
    cv2.rectangle(canvas, (x, y + radius), (x + w - 1, y + h - 1 - radius), colour, -1)
    for cx in (x + radius, x + w - 1 - radius):
        for cy in (y + radius, y + h - 1 - radius):
            cv2.circle(canvas, (cx, cy), radius, colour, -1, cv2.LINE_AA)


def centred(canvas: Picture, y_m: float, width_m: float, height_m: float, colour: Bgr) -> None:
    """A bar in the middle of a face, ``y_m`` metres below its top."""
    x = (canvas.shape[1] - px(width_m)) // 2
    bar(canvas, (x, px(y_m), px(width_m), px(height_m)), colour, px(0.02))


def mount_plate(canvas: Picture, plate: Picture, y_m: float) -> tuple[float, float, float, float]:
    """Screw the plate to the middle of a face; its left, top, right, bottom as shares of it."""
    frame = px(0.012)
    height, width = plate.shape[:2]
    x, y = (canvas.shape[1] - width) // 2, px(y_m)
    bar(canvas, (x - frame, y - frame, width + 2 * frame, height + 2 * frame), _DARK, frame)
    canvas[y : y + height, x : x + width] = plate
    rows, columns = canvas.shape[:2]
    return x / columns, y / rows, (x + width) / columns, (y + height) / rows


def mirrored(canvas: Picture) -> None:
    """Make the right half the mirror of the left one."""
    half = canvas.shape[1] // 2
    canvas[:, -half:] = canvas[:, :half][:, ::-1]


def car_front(width_m: float, height_m: float, colour: Bgr, *, electric: bool) -> Picture:
    """Bumper, lamps and grille; an electric car has a closed nose."""
    face = sheet(width_m, height_m, colour)
    w, h = px(width_m), px(height_m)
    if not electric:
        centred(face, 0.10, width_m * 0.50, 0.16, _DARK)
        for i in range(5):
            centred(face, 0.115 + 0.03 * i, width_m * 0.47, 0.006, _CHROME)
    else:
        cv2.line(face, (px(0.3), px(0.08)), (w - px(0.3), px(0.08)), shade(colour, 0.7), 3)
    lamp = np.array([(0.05, 0.07), (0.40, 0.11), (0.36, 0.22), (0.09, 0.20)]) * PX_PER_M
    cv2.fillConvexPoly(face, lamp.astype(np.int32), _DARK, cv2.LINE_AA)
    inner = np.array([(0.08, 0.09), (0.37, 0.125), (0.34, 0.20), (0.11, 0.185)]) * PX_PER_M
    cv2.fillConvexPoly(face, inner.astype(np.int32), _LAMP, cv2.LINE_AA)
    for x in (0.16, 0.27):
        cv2.circle(face, (px(x), px(0.152)), px(0.034), (206, 204, 200), 3, cv2.LINE_AA)
    centred(face, height_m - 0.17, width_m * 0.86, 0.12, shade(_DARK, 1.1))
    bar(face, (px(0.12), h - px(0.24), px(0.20), px(0.07)), shade(colour, 0.55), px(0.03))
    cv2.circle(face, (px(0.22), h - px(0.205)), px(0.026), _LAMP, -1, cv2.LINE_AA)
    cv2.line(face, (0, h - px(0.27)), (w, h - px(0.27)), shade(colour, 0.7), 2, cv2.LINE_AA)
    mirrored(face)
    cv2.circle(face, (w // 2, px(0.115)), px(0.045), _CHROME, -1, cv2.LINE_AA)
    cv2.circle(face, (w // 2, px(0.115)), px(0.030), shade(colour, 0.8), -1, cv2.LINE_AA)
    return face


def tall_front(
    width_m: float, height_m: float, colour: Bgr, *, glass_m: float, sign: str | None = None
) -> Picture:
    """The flat front of a truck or a bus: window, wipers, lamps and bumper."""
    face = sheet(width_m, height_m, colour)
    w, h = px(width_m), px(height_m)
    top = px(0.30)
    bar(face, (px(0.10), top, w - px(0.20), px(glass_m)), _GLASS, px(0.10))
    shine = np.array([(0.16, 0.34), (0.75, 0.34), (0.42, 0.26 + glass_m), (0.16, 0.26 + glass_m)])
    cv2.fillConvexPoly(face, (shine * PX_PER_M).astype(np.int32), shade(_GLASS, 1.45), cv2.LINE_AA)
    for x in (0.30, 0.58):
        start = (round(w * x), top + px(glass_m) - 4)
        cv2.line(face, start, (start[0] + px(0.45), start[1] - px(0.12)), (12, 12, 12), 5)
    driver = (round(w * 0.70), top + px(glass_m * 0.62))
    cv2.circle(face, driver, px(0.11), (70, 84, 110), -1, cv2.LINE_AA)
    cv2.ellipse(
        face, (driver[0], driver[1] + px(0.32)), (px(0.24), px(0.22)), 0, 180, 360, (58, 50, 44), -1
    )
    grille = 0.36 + glass_m
    for i in range(4):
        centred(face, grille + 0.07 * i, width_m * 0.62, 0.035, shade(_DARK, 1.2))
    bumper = height_m - 0.42
    bar(face, (0, px(bumper), w, h - px(bumper)), shade(colour, 0.62), px(0.05))
    for x in (px(0.10), w - px(0.48)):
        bar(face, (x, px(bumper + 0.05), px(0.38), px(0.17)), _DARK, px(0.04))
        bar(face, (x + px(0.03), px(bumper + 0.07), px(0.32), px(0.13)), _LAMP, px(0.04))
    if sign is not None:
        centred(face, 0.06, width_m * 0.5, 0.19, (18, 18, 20))
        cv2.putText(
            face,
            sign,
            (w // 2 - px(0.2), px(0.21)),
            cv2.FONT_HERSHEY_DUPLEX,
            1.9,
            (30, 140, 250),
            4,
        )
    return face


def cargo_back(width_m: float, height_m: float, colour: Bgr) -> Picture:
    """The back of a box truck: two doors with bars, tail lamps, reflecting strips."""
    face = sheet(width_m, height_m, colour)
    w, h = px(width_m), px(height_m)
    cv2.line(face, (w // 2, 0), (w // 2, h - px(0.62)), shade(colour, 0.55), 5)
    for x in (0.18, 0.40, 0.60, 0.82):
        cv2.line(face, (round(w * x), 20), (round(w * x), h - px(0.66)), shade(colour, 0.78), 9)
    bar(face, (0, h - px(0.62), w, px(0.62)), shade(_DARK, 1.2))
    for i in range(8):
        paint = (40, 40, 205) if i % 2 else (228, 228, 228)
        bar(face, (i * w // 8, h - px(0.68), w // 8, px(0.055)), paint)
    for x in (px(0.06), w - px(0.40)):
        bar(face, (x, h - px(0.46), px(0.34), px(0.13)), _TAIL, px(0.02))
    return face


def side(length_m: float, height_m: float, colour: Bgr, windows: int) -> Picture:
    """A side with wheel arches, doors and, on tall vehicles, a row of ``windows``."""
    face = sheet(length_m, height_m, colour)
    w, h = px(length_m), px(height_m)
    for i in range(windows):
        step = w // max(1, windows)
        bar(face, (i * step + px(0.1), px(0.35), step - px(0.2), px(0.9)), _GLASS, px(0.06))
    for share in (0.28, 0.52, 0.74):
        cv2.line(face, (round(w * share), px(0.06)), (round(w * share), h), shade(colour, 0.72), 3)
    cv2.line(face, (0, h // 2), (w, h // 2), shade(colour, 0.85), 3)
    return face


def wheels(length_m: float, radius_m: float, positions: tuple[float, ...]) -> Texture:
    """A see-through strip with wheels at ``positions`` metres behind the front."""
    w, h = px(length_m), px(2 * radius_m)
    picture, mask = np.zeros((h, w, 3), np.uint8), np.zeros((h, w), np.uint8)
    for at in positions:
        centre, r = (px(at), h // 2), px(radius_m) - 2
        cv2.circle(mask, centre, r, 255, -1, cv2.LINE_AA)
        cv2.circle(picture, centre, r, (24, 24, 24), -1, cv2.LINE_AA)
        cv2.circle(picture, centre, round(r * 0.62), (150, 150, 148), -1, cv2.LINE_AA)
        for spoke in range(5):
            angle = spoke * 2 * np.pi / 5
            tip = (
                round(centre[0] + r * 0.6 * np.cos(angle)),
                round(centre[1] + r * 0.6 * np.sin(angle)),
            )
            cv2.line(picture, centre, tip, (70, 70, 70), max(2, r // 9), cv2.LINE_AA)
    return Texture(picture, mask)
