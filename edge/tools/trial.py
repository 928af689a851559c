"""Tries a found camera: its streams by ONVIF, and one picture that really came over RTSP."""

from __future__ import annotations

import ipaddress
import multiprocessing
import os
import threading
import time
from multiprocessing.connection import Connection

from config.clock import Clock, SystemClock
from config.discovery import FoundCamera, FoundStream, TrialReport, TryCamera, main_and_sub
from config.errors import UserError
from config.secrets import CameraSecret, Secrets
from edge.streams.stream import VideoStream
from edge.streams.stream_error import StreamError
from edge.tools.onvif import ask_device
from edge.watching.child import die_with_parent
from edge.watching.pictures import jpeg, no_wider

TRIAL_S = 40.0
"""A device may answer as slowly as it likes: after this it is left alone."""
_PICTURE_S = 8.0
_LOOK_S = 0.25
_WIDTH_PX, _QUALITY = 1280, 80


def try_camera(
    order: TryCamera,
    *,
    seconds: float = TRIAL_S,
    stop: threading.Event | None = None,
    streams_only: bool = False,
) -> TrialReport:
    """Do what the centre asks, in a child process: libav may hang, and a device may drip answers.

    An address outside private networks is refused: a node talks to cameras beside it, and is
    nobody's way to elsewhere.

    Args:
        order: which camera, and how to log in.
        seconds: the child is killed after so long, and the report says so.
        stop: set to break off.
        streams_only: ask for the streams, but open none of them.
    """
    if not ipaddress.ip_address(order.address).is_private:
        return TrialReport(problem="that address is not in a private network; it is not asked")
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(
        target=_child, args=(order, theirs, os.getpid(), streams_only), daemon=True
    )
    child.start()
    theirs.close()
    report = TrialReport(problem=f"the device gave no complete answer within {seconds:.0f} s")
    try:
        if _answered(ours, seconds, stop or threading.Event()):
            report = TrialReport.model_validate_json(ours.recv_bytes())
    except EOFError:
        report = TrialReport(problem="the trial broke off; update the camera's firmware")
    finally:
        child.kill()
        child.join()
        child.close()
        ours.close()
    return report


def _answered(pipe: Connection, seconds: float, stop: threading.Event) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not stop.is_set():
        if pipe.poll(_LOOK_S):
            return True
    return False


def _child(order: TryCamera, pipe: Connection, parent: int, streams_only: bool) -> None:
    die_with_parent(parent)
    report = look(order, SystemClock(), streams_only=streams_only)
    pipe.send_bytes(report.model_dump_json().encode())


def look(order: TryCamera, clock: Clock, *, streams_only: bool = False) -> TrialReport:
    """The trial itself. A wrong login at ONVIF is not tried at RTSP too: cameras lock accounts."""
    try:
        answer = ask_device(order.address, order.services, login=_login(order), clock=clock)
    except UserError as error:
        return TrialReport(problem=_sentence(error))
    report = TrialReport(
        device=answer.device,
        streams=answer.streams,
        clock_off_s=answer.clock_off_s,
        problem="; ".join(answer.remarks)[:500],
    )
    if streams_only:
        return report
    main, sub = main_and_sub(answer.streams, order.source)
    if main is None:
        problem = "it offers no H.264 or H.265 stream there; set one in the camera"
        return report.model_copy(update={"problem": problem})
    try:
        return report.model_copy(update=_seen(order, main, sub))
    except StreamError as error:
        return report.model_copy(update={"problem": _sentence(error)})


def streams_of(camera: FoundCamera, login: CameraSecret) -> FoundCamera:
    """``camera`` with the streams that it tells who logs in; without a picture."""
    order = TryCamera(
        trial="0" * 36,
        address=camera.address,
        services=camera.services[:3],
        user=login.user,
        password=login.password,
    )
    report = try_camera(order, streams_only=True)
    update = {"device": report.device, "streams": report.streams, "problem": report.problem}
    return camera.model_copy(update=update)


def _login(order: TryCamera) -> CameraSecret | None:
    return CameraSecret(user=order.user, password=order.password) if order.user else None


def _sentence(error: UserError) -> str:
    return f"{error.problem}; {error.remedy}"[:500]


def _seen(order: TryCamera, main: FoundStream, sub: FoundStream | None) -> dict[str, object]:
    """Size of the main stream's first picture, and the picture where it is asked for.

    Raises:
        StreamError: one of the two streams does not come.
    """
    login = _login(order)
    secrets = Secrets() if login is None else Secrets(cameras={"found": login})
    update: dict[str, object] = {}
    for found in (main, sub):
        if found is None:
            continue
        stream = VideoStream.open(secrets.stream_url("found", found.url), camera=order.address)
        try:
            if found is main:
                update = _first_picture(stream, wanted=order.picture)
        finally:
            stream.close()
    return update


def _first_picture(stream: VideoStream, *, wanted: bool) -> dict[str, object]:
    until = time.monotonic() + _PICTURE_S
    for packet in stream.packets():
        pictures = stream.decode_key(packet) if packet.is_keyframe else []
        if pictures:
            first = pictures[-1]
            size: dict[str, object] = {"width": first.width, "height": first.height}
            if wanted:
                shown = no_wider(first.bgr(), _WIDTH_PX)
                size["picture"] = jpeg(shown, quality=_QUALITY)
            return size
        if time.monotonic() > until:
            break
    return {"problem": "no picture came; set the I-frame interval to 2 s"}
