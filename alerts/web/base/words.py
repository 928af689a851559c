"""Words: how kinds, severities, states and roles are called, Chinese first, English beside."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from alerts.life.state import Outcome, State
from config.event import EventKind, Severity
from config.site import LegalClass, Role


class Words(NamedTuple):
    """One thing in both languages."""

    zh: str
    en: str


SEVERITY = {
    Severity.CRITICAL: Words("紧急", "Critical"),
    Severity.WARNING: Words("警告", "Warning"),
    Severity.NOTICE: Words("提醒", "Notice"),
    Severity.INFO: Words("信息", "Info"),
}
KIND = {
    EventKind.PLATE: Words("车牌", "Plate"),
    EventKind.FACE: Words("有人", "Person"),
    EventKind.MOTION: Words("移动", "Motion"),
    EventKind.LINE: Words("越线", "Line crossed"),
    EventKind.ZONE: Words("进入区域", "Zone entered"),
    EventKind.LOITER: Words("徘徊", "Loitering"),
    EventKind.HEALTH: Words("设备", "Device"),
    EventKind.SHED: Words("数据丢弃", "Data dropped"),
}
STATE = {
    State.NEW: Words("新到", "New"),
    State.SUPPRESSED: Words("已抑制", "Suppressed"),
    State.REVIEW: Words("待核对", "To be confirmed"),
    State.OPEN: Words("待处理", "Waiting"),
    State.ACKED: Words("处理中", "Being handled"),
    State.ONSITE: Words("已到场", "On site"),
    State.WAITING: Words("等部门", "Waiting for departments"),
    State.DONE: Words("已报告", "Reported"),
    State.CLOSED: Words("已办结", "Closed"),
}
OUTCOME = {
    Outcome.RESOLVED: Words("已解决", "Resolved"),
    Outcome.FALSE_ALARM: Words("误报", "False alarm"),
    Outcome.NO_ACTION: Words("无需处理", "No action"),
}
ROLE = {
    Role.HOME_OWNER: Words("住户", "Home owner"),
    Role.GRID_WORKER: Words("网格员", "Grid worker"),
    Role.GRID_HEAD: Words("网格长", "Grid head"),
    Role.TOWNSHIP: Words("乡镇中心", "Township centre"),
    Role.POLICE: Words("公安", "Police"),
    Role.INSTALLER: Words("安装员", "Installer"),
    Role.ADMIN: Words("管理员", "Administrator"),
}
LEGAL_CLASS = {
    LegalClass.HOME: Words("自家", "Home"),
    LegalClass.VILLAGE: Words("村庄", "Village"),
    LegalClass.GATED: Words("小区", "Gated"),
    LegalClass.STREET: Words("街道", "Street"),
    LegalClass.SCHOOL: Words("学校", "School"),
}
TROUBLE = {
    "offline": "离线",
    "frozen": "画面冻结",
    "black": "黑屏",
    "blurred": "模糊",
    "covered": "被遮挡",
    "moved": "被移动",
    "low_frame_rate": "帧率低",
    "wrong_resolution": "分辨率不对",
    "clock_skew": "时钟不准",
    "disk_full": "磁盘满",
    "queue_depth": "积压",
    "temperature": "过热",
    "wrong_credentials": "密码不对",
    "outbox_damaged": "发件箱损坏",
    "nobody_on_duty": "无人值班",
    "no_next_step": "告警没有下一步",
    "work_stuck": "通知停滞",
    "audit_broken": "审计日志不完整",
    "node_silent": "节点失联",
    "power_cut": "区域停电",
}
CHANNEL = {
    "inapp": Words("页面", "Page"),
    "webhook": Words("接口", "Webhook"),
}
DELIVERY = {
    "pending": Words("等待发送", "Pending"),
    "held": Words("等待摘要", "Waits for a digest"),
    "digested": Words("已并入摘要", "In a digest"),
    "sending": Words("发送中", "Sending"),
    "accepted": Words("已发出", "Sent"),
    "delivered": Words("已送达", "Delivered"),
    "read": Words("已读", "Read"),
    "failed": Words("未送达", "Failed"),
}
EVIDENCE = {
    "crop": Words("特写", "Close-up"),
    "scene": Words("全景", "Scene"),
    "clip": Words("录像", "Clip"),
}
PLATE_COLOUR = {
    "blue": Words("蓝牌", "blue plate"),
    "yellow": Words("黄牌", "yellow plate"),
    "green": Words("绿牌", "green plate"),
    "yellow_green": Words("黄绿牌", "yellow-green plate"),
    "white": Words("白牌", "white plate"),
    "black": Words("黑牌", "black plate"),
}


def channel_words(channel: str) -> Words:
    """The channel's name; one without a translation is shown as it is."""
    return CHANNEL.get(channel, Words(channel, channel))


def zone_text(moment: datetime, zone: ZoneInfo) -> str:
    """The zone's offset at that moment, as ``UTC+8`` or ``UTC+5:30``."""
    offset = moment.astimezone(zone).utcoffset() or timedelta()
    minutes = round(offset.total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    sign = "+" if minutes >= 0 else "−"
    return f"UTC{sign}{hours}" + (f":{rest:02d}" if rest else "")


def clock_text(moment: datetime, now: datetime, zone: ZoneInfo) -> str:
    """Local wall time: ``03:14:07`` today, ``11-23 22:05:10`` on another day."""
    local, today = moment.astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        return f"{local:%H:%M:%S}"
    if local.year == today.year:
        return f"{local:%m-%d %H:%M:%S}"
    return f"{local:%Y-%m-%d %H:%M:%S}"


def span_text(seconds: float) -> str:
    """A length of time as ``4:05`` or ``1:04:05``; never below ``0:00``."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{secs:02d}" if hours else f"{minutes}:{secs:02d}"
