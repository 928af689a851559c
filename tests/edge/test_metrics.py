"""Prometheus reads what the worker counted, and a taken port is told in words."""

from __future__ import annotations

import socket
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from config.errors import UserError
from edge.metrics import MetricsServer


def report() -> dict[str, Any]:
    camera: dict[str, Any] = dict.fromkeys(
        ("packets", "bytes", "frames_decoded", "frames_watched", "frames_sampled",
         "frames_analysed", "frames_dropped", "packets_damaged", "record_errors"), 7,
    )  # fmt: skip
    camera |= {"online": True, "events": {"plate": 3}}
    camera |= {"decode_s": 1.5, "motion_s": 0.5, "picture_s": 0.1}
    camera |= {"inference_s": 2.0, "events_s": 0.3, "lag_s": 0.4}
    return {
        "cameras": {"gate-1": camera},
        "recordings": {"yard": {"segments": 60, "bytes": 9e9, "oldest_age_s": 3600.0}},
        "pictures_waiting": 5,
        "events_not_kept": 0,
        "group_restarts": {"group-1": 1},
    }


def test_per_camera_and_stage() -> None:
    server = MetricsServer(report, port=0)
    try:
        text = httpx.get(
            f"http://127.0.0.1:{server.port}/metrics", trust_env=False, timeout=60
        ).text
        with pytest.raises(UserError, match="--metrics-port"):
            MetricsServer(report, port=server.port)
    finally:
        server.stop()
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    gate = ("camera", "gate-1")
    assert samples["menshen_edge_frames_decoded_total", (gate,)] == 7
    assert samples["menshen_edge_camera_online", (gate,)] == 1
    assert samples["menshen_edge_events_total", (gate, ("kind", "plate"))] == 3
    assert samples["menshen_edge_camera_cpu_seconds_total", (gate, ("stage", "decode"))] == 1.5
    assert samples["menshen_edge_camera_cpu_seconds_total", (gate, ("stage", "inference"))] == 2
    assert samples["menshen_edge_picture_lag_seconds", (gate,)] == 0.4
    assert samples["menshen_edge_recording_errors_total", (gate,)] == 7
    yard = (("camera", "yard"),)
    assert samples["menshen_edge_recording_bytes", yard] == 9e9
    assert samples["menshen_edge_recording_segments", yard] == 60
    assert samples["menshen_edge_recording_oldest_age_seconds", yard] == 3600
    assert samples["menshen_edge_pictures_waiting", ()] == 5
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", server.port)) != 0
