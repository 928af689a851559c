"""What the edge counts, for Prometheus: per camera and per stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from config.errors import UserError

Report = dict[str, Any]
"""See :meth:`edge.worker.Worker.report`."""

_COUNTERS = (
    ("packets", "packets", "Coded pictures received"),
    ("bytes", "bytes", "Bytes of coded pictures received"),
    ("frames_decoded", "frames_decoded", "Pictures decoded"),
    ("frames_watched", "frames_watched", "Pictures compared for motion"),
    ("frames_sampled", "frames_sampled", "Pictures handed on for inference"),
    ("frames_analysed", "frames_analysed", "Pictures that went through the networks"),
    ("frames_dropped", "frames_dropped", "Pictures dropped because inference was behind"),
    ("packets_damaged", "packets_damaged", "Coded pictures that could not be decoded whole"),
    ("record_errors", "recording_errors", "Gaps in the recording: a disk full, absent or too slow"),
)
_RECORDINGS = (
    ("bytes", "bytes", "Bytes of recorded segments on the disk"),
    ("segments", "segments", "Recorded segments on the disk"),
    ("oldest_age_s", "oldest_age_seconds", "Age of the oldest recorded segment"),
)
"""Of cameras that are recorded no longer too, until their last segment is dropped."""
_STAGES = ("decode_s", "motion_s", "picture_s", "inference_s", "events_s")


class EdgeCollector:
    """Asks for a fresh report whenever Prometheus does; keeps no count of its own."""

    def __init__(self, report: Callable[[], Report]) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        """All metrics as they are now."""
        report = self._report()
        cameras: dict[str, Report] = report["cameras"]
        for key, name, help_text in _COUNTERS:
            family = CounterMetricFamily(f"menshen_edge_{name}", help_text, labels=["camera"])
            for camera, item in cameras.items():
                family.add_metric([camera], float(item[key]))
            yield family
        yield from self._of_cameras(cameras)
        for key, name, help_text in _RECORDINGS:
            gauge = GaugeMetricFamily(
                f"menshen_edge_recording_{name}", help_text, labels=["camera"]
            )
            for camera, item in report["recordings"].items():
                gauge.add_metric([camera], float(item[key]))
            yield gauge
        yield from self._of_node(report)

    def _of_cameras(self, cameras: dict[str, Report]) -> Iterator[Metric]:
        online = GaugeMetricFamily(
            "menshen_edge_camera_online", "1 while the camera sends pictures", labels=["camera"]
        )
        events = CounterMetricFamily(
            "menshen_edge_events", "Visits told, by kind", labels=["camera", "kind"]
        )
        stages = CounterMetricFamily(
            "menshen_edge_camera_cpu_seconds",
            "Processor time, by stage",
            labels=["camera", "stage"],
        )
        lag = GaugeMetricFamily(
            "menshen_edge_picture_lag_seconds",
            "Age of the last picture when it had been analysed",
            labels=["camera"],
        )
        for camera, item in cameras.items():
            lag.add_metric([camera], item["lag_s"])
            online.add_metric([camera], float(item["online"]))
            for kind, count in item["events"].items():
                events.add_metric([camera, kind], count)
            for stage in _STAGES:
                stages.add_metric([camera, stage.removesuffix("_s")], item[stage])
        yield from (online, events, stages, lag)

    def _of_node(self, report: Report) -> Iterator[Metric]:
        restarts = CounterMetricFamily(
            "menshen_edge_group_restarts", "Decode groups replaced", labels=["group"]
        )
        for group, count in report["group_restarts"].items():
            restarts.add_metric([group], count)
        yield restarts
        yield GaugeMetricFamily(
            "menshen_edge_pictures_waiting",
            "Pictures that wait for inference",
            report["pictures_waiting"],
        )
        yield GaugeMetricFamily(
            "menshen_edge_events_not_kept", "Events that wait for a disk", report["events_not_kept"]
        )


class MetricsServer:
    """Serves ``/metrics`` on a port until :meth:`stop`; 0 takes a free port.

    Raises:
        UserError: the port is taken.
    """

    def __init__(self, report: Callable[[], Report], *, port: int, host: str = "127.0.0.1") -> None:
        registry = CollectorRegistry()
        registry.register(EdgeCollector(report))
        try:
            started: tuple[WSGIServer, Any] = start_http_server(port, addr=host, registry=registry)
        except OSError as error:
            raise UserError(
                where="menshen edge run",
                field="--metrics-port",
                problem=f"port {port} cannot be used ({error.strerror})",
                remedy="give another port",
            ) from None
        self._server, self._thread = started
        self.port: int = self._server.server_port

    def stop(self) -> None:
        """Stop serving, and wait until it has."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
