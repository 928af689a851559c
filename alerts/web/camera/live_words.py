"""What a live view tells a person when there are no pictures, in both languages."""

from __future__ import annotations

from typing import Any

from alerts.web.base.words import Words
from config.live import StateCode

STATES: dict[StateCode, Words] = {
    "camera_offline": Words(
        "摄像头没有信号，恢复后自动继续", "The camera is offline; the view goes on when it is back"
    ),
    "node_offline": Words(
        "现场节点未连接，恢复后自动继续",
        "The node at the camera is offline; the view goes on when it is back",
    ),
    "unknown_camera": Words(
        "现场节点没有这个摄像头，请告诉安装人员", "The node has no such camera; tell the installer"
    ),
    "masked": Words(
        "此摄像头设有隐私遮挡，只显示遮挡后的图片",
        "This camera has privacy masks: masked stills only",
    ),
    "unreadable": Words(
        "视频格式无法识别，请告诉安装人员",
        "The video format cannot be read; tell the installer",
    ),
}
SESSION_ENDED = Words("登录已失效，观看已结束", "Your session has ended, and so has the view")
NOT_ALLOWED = Words("观看授权已结束", "You may no longer watch this camera")


def message(kind: str, code: str, words: Words) -> dict[str, Any]:
    """A text message to the page; ``kind`` is ``state`` or ``end``."""
    return {"type": kind, "code": code, "zh": words.zh, "en": words.en}
