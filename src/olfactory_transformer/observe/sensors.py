"""Metrics of electronic noses: what they send, what goes wrong with them, and how long a smell takes to be named."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
DROPPED = ("duplicate", "invalid", "overflow")


class SensorMetrics:
    """Counters and gauges of sensors, under the deployment guide's names.

    `sensor_type` is what kind of source frames came from: that of the server's own board (`serial`, `replay`, `mqtt`,
    `simulated`), `websocket` for streams of clients, `upload` for recordings. `sensor_id` is that of the server's own
    board. No client can make up a label. Used from any thread.

    Parameters
    ----------
    registry : CollectorRegistry

    Examples
    --------
    >>> registry = CollectorRegistry()
    >>> metrics = SensorMetrics(registry)
    >>> metrics.expect("serial", ["unplugged"])
    >>> metrics.error("serial", "unplugged")
    >>> labels = {"sensor_type": "serial", "error": "unplugged"}
    >>> registry.get_sample_value("olfactory_sensor_errors_total", labels)
    1.0
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._readings = Counter(
            "olfactory_sensor_readings_total",
            "Frames of sensors that were taken: from the server's own board, streams and recordings",
            ["sensor_type"],
            registry=registry,
        )
        self._errors = Counter(
            "olfactory_sensor_errors_total",
            "What went wrong with sensors; for lost, how many frames",
            ["sensor_type", "error"],
            registry=registry,
        )
        self._dropped = Counter(
            "olfactory_sensor_frames_dropped_total",
            "Frames that arrived and were not used: duplicate, invalid, or overflow where they came too fast",
            ["sensor_type", "reason"],
            registry=registry,
        )
        self._calibration = Gauge(
            "olfactory_sensor_calibration_status",
            "1 while the server's own board has a valid calibration; 0 without, expired, or drifted",
            ["sensor_id"],
            registry=registry,
        )
        self._connected = Gauge(
            "olfactory_sensor_connected",
            "1 while the server's own board is connected and sends",
            ["sensor_id"],
            registry=registry,
        )
        self._last = Gauge(
            "olfactory_sensor_last_reading_timestamp_seconds",
            "When the server's own board last sent a frame, in seconds since 1970; 0 before the first",
            ["sensor_id"],
            registry=registry,
        )
        self._streams = Gauge(
            "olfactory_sensor_streams_open",
            "WebSockets of /v1/sensors/stream that are open",
            registry=registry,
        )
        self._seconds = Histogram(
            "olfactory_sensor_identification_duration_seconds",
            "Time from the arrival of the last frame that an identification is of to its answer",
            ["sensor_type"],
            buckets=_SECONDS,
            registry=registry,
        )

    def expect(self, sensor_type: str, errors: Iterable[str]) -> None:
        """Begin a kind of source at 0: a rate cannot be told of a series that begins with its first event."""
        self._readings.labels(sensor_type)
        self._seconds.labels(sensor_type)
        for error in errors:
            self._errors.labels(sensor_type, error)
        for reason in DROPPED:
            self._dropped.labels(sensor_type, reason)

    def expect_board(self, sensor_id: str) -> None:
        """Begin the gauges of the server's own board: not connected, not calibrated."""
        for gauge in (self._calibration, self._connected, self._last):
            gauge.labels(sensor_id).set(0)

    def read(self, sensor_type: str, frames: int = 1) -> None:
        """Note frames that were taken."""
        self._readings.labels(sensor_type).inc(frames)

    def error(self, sensor_type: str, error: str, count: int = 1) -> None:
        """Note that something went wrong."""
        self._errors.labels(sensor_type, error).inc(count)

    def dropped(self, sensor_type: str, reason: str, count: int = 1) -> None:
        """Note frames that arrived and were not used."""
        self._dropped.labels(sensor_type, reason).inc(count)

    def calibrated(self, sensor_id: str, valid: bool) -> None:
        """Note whether a board's calibration is valid."""
        self._calibration.labels(sensor_id).set(valid)

    def connected(self, sensor_id: str, there: bool) -> None:
        """Note whether a board is connected and sends."""
        self._connected.labels(sensor_id).set(there)

    def last_read(self, sensor_id: str, time: float) -> None:
        """Note when a board sent its last frame."""
        self._last.labels(sensor_id).set(time)

    def stream_opened(self) -> None:
        """Note a WebSocket that was opened; `stream_closed` must follow."""
        self._streams.inc()

    def stream_closed(self) -> None:
        """Note one that has ended."""
        self._streams.dec()

    def identified(self, sensor_type: str, seconds: float) -> None:
        """Note an identification, and how long after its last frame it was there."""
        self._seconds.labels(sensor_type).observe(seconds)
