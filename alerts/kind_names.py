"""What each kind of event is called, in Chinese and English."""

from __future__ import annotations

from config.event import EventKind

KIND_NAMES = {
    EventKind.PLATE: ("车牌", "plate"),
    EventKind.FACE: ("有人脸", "face seen"),
    EventKind.MOTION: ("有动静", "motion"),
    EventKind.LINE: ("越线", "line crossed"),
    EventKind.ZONE: ("进入区域", "zone entered"),
    EventKind.LOITER: ("逗留", "loitering"),
    EventKind.HEALTH: ("设备异常", "camera trouble"),
    EventKind.SHED: ("有事件被丢弃", "events were dropped"),
}
