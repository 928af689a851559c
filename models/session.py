"""Opens ONNX files as checked, ready-to-run sessions; the only importer of onnxruntime."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from config.errors import UserError
from config.logs import get_logger

CPU: Final = "CPUExecutionProvider"
SHORT_NAMES: Final[Mapping[str, str]] = {
    "cpu": CPU,
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
"""What a configuration may call ONNX Runtime's execution providers."""

Shape = tuple[int | None, ...]
"""Sizes of a tensor's axes; None where any size is accepted."""

_ORT_ERRORS: Final = (
    ort_state.EPFail,
    ort_state.Fail,
    ort_state.InvalidArgument,
    ort_state.InvalidGraph,
    ort_state.InvalidProtobuf,
    ort_state.ModelRequiresCompilation,
    ort_state.NoModel,
    ort_state.NoSuchFile,
    ort_state.NotImplemented,
    ort_state.RuntimeException,
    RuntimeError,
    ValueError,
)
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Signature:
    """Names and shapes that code was written for, to be held against a file.

    ``inputs`` and ``outputs`` map names to shapes. An axis that is None here may be anything
    in the file; an axis that is dynamic in the file fits any number here. A file may have more
    outputs than named, never other inputs.
    """

    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]


def resolve_providers(names: Sequence[str]) -> tuple[str, ...]:
    """Full provider names for short ones (``cuda``), in order; full names pass unchanged.

    Of no names the CPU.

    Raises:
        UserError: a name is neither short nor a full provider name.
    """
    resolved = []
    for name in names:
        full = SHORT_NAMES.get(name.strip().lower(), name.strip())
        if not full.endswith("ExecutionProvider"):
            raise UserError(
                where="inference providers",
                field=name,
                problem="no such execution provider",
                remedy=f"use one of: {', '.join(SHORT_NAMES)}",
            )
        resolved.append(full)
    return tuple(dict.fromkeys(resolved)) or (CPU,)


class Session:
    """One loaded network. ``run`` may be called from several threads at once.

    Attributes:
        path: the file it came from.
        sha256: of the bytes that were loaded.
        metadata: the file's own key-value pairs.
        input_shapes, output_shapes: axes by tensor name; None where an axis is dynamic.
        providers: the execution providers really in use, first choice first.
    """

    def __init__(self, path: Path, session: Any, sha256: str) -> None:
        self.path = path
        self.sha256 = sha256
        self._session = session
        self.metadata: Mapping[str, str] = dict(session.get_modelmeta().custom_metadata_map)
        self.input_shapes: Mapping[str, Shape] = _shapes(session.get_inputs())
        self.output_shapes: Mapping[str, Shape] = _shapes(session.get_outputs())
        self.providers: tuple[str, ...] = tuple(session.get_providers())
        self._output_names = list(self.output_shapes)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs by name for ``feeds`` (every input by name, contiguous arrays).

        Raises:
            UserError: the network refuses the arrays' names, shapes or types, or fails inside.
        """
        if self._session is None:
            raise RuntimeError(f"session of {self.path.name} is closed")
        try:
            values = self._session.run(self._output_names, dict(feeds))
        except _ORT_ERRORS as error:
            shapes = ", ".join(
                f"{name} {array.dtype}{array.shape}" for name, array in feeds.items()
            )
            raise UserError(
                where=str(self.path),
                problem=f"the network failed on {shapes}: {_first_line(error)}",
                remedy="run: menshen models verify; if the file is good, report this line",
            ) from error
        return dict(zip(self._output_names, values, strict=True))

    def close(self) -> None:
        """Free the network's memory; further calls of ``run`` are a RuntimeError."""
        self._session = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_session(
    path: Path | str,
    *,
    threads: int = 1,
    providers: Sequence[str] = (CPU,),
    sha256: str | None = None,
    signature: Signature | None = None,
) -> Session:
    """Load and check one ONNX file.

    Args:
        path: the file.
        threads: threads inside one operator, at least 1.
        providers: execution providers, short or full names, first choice first; those this
            machine lacks are left out with a log line, and the CPU is always the last resort.
        sha256: 64 lower-case hex digits the file must have, or None to accept any.
        signature: inputs and outputs the caller was written for, or None.

    Raises:
        UserError: the file is absent, truncated or not a network, has another hash, or has
            other inputs or outputs than the caller needs.
    """
    path = Path(path)
    if threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")
    content = _read(path)
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise UserError(
            where=str(path),
            field="sha256",
            problem=f"is {found}, the catalogue says {sha256}",
            remedy="delete the file and run: menshen models pull",
        )
    session = Session(path, _create(path, content, threads, resolve_providers(providers)), found)
    if signature is not None:
        _check(path, "input", signature.inputs, session.input_shapes)
        _check(path, "output", signature.outputs, session.output_shapes)
    return session


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            where=str(path),
            problem=f"cannot read this model file ({error.strerror})",
            remedy="run: menshen models verify; it says how to get the file",
        ) from error
    if not content:
        raise UserError(
            where=str(path),
            problem="this model file is empty",
            remedy="delete it and run: menshen models pull",
        )
    return content


def _create(path: Path, content: bytes, threads: int, wanted: tuple[str, ...]) -> Any:
    chosen = _available(wanted)
    try:
        session = ort.InferenceSession(content, session_options(threads), providers=list(chosen))
    except _ORT_ERRORS as error:
        if chosen != (CPU,):
            # A driver or a library may be missing although the provider is compiled in.
            _log.warning(
                "execution provider failed, using the next",
                model=path.name,
                provider=chosen[0],
                cause=_first_line(error),
            )
            return _create(path, content, threads, chosen[1:])
        raise UserError(
            where=str(path),
            problem=f"not a usable ONNX network: truncated or corrupt ({_first_line(error)})",
            remedy="delete the file and run: menshen models pull",
        ) from error
    # Of some providers whose libraries are missing onnxruntime raises nothing: it goes without.
    used = session.get_providers()
    if left_out := [name for name in chosen if name not in used]:
        _log.warning(
            "execution provider could not be loaded, using the next",
            model=path.name,
            missing=left_out,
            used=used,
        )
    return session


def _available(wanted: tuple[str, ...]) -> tuple[str, ...]:
    present = set(ort.get_available_providers())
    missing = [name for name in wanted if name not in present]
    if missing:
        _log.warning(
            "execution provider not in this machine's onnxruntime, falling back",
            missing=missing,
            present=sorted(present),
        )
    return tuple(dict.fromkeys([*(name for name in wanted if name in present), CPU]))


def session_options(threads: int) -> Any:
    """The options every session here is opened with, for libraries that open their own."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 4
    # Waiting threads sleep: many cameras share the cores with decoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _shapes(tensors: Sequence[Any]) -> dict[str, Shape]:
    return {
        tensor.name: tuple(axis if isinstance(axis, int) else None for axis in tensor.shape)
        for tensor in tensors
    }


def _check(
    path: Path, what: str, needed: Mapping[str, Shape], present: Mapping[str, Shape]
) -> None:
    if what == "input" and set(needed) != set(present):
        raise _other_model(path, what, f"{sorted(present)}, needed {sorted(needed)}")
    for name, shape in needed.items():
        if name not in present:
            raise _other_model(path, what, f"{sorted(present)}, {name!r} is not among them")
        if not _fits(shape, present[name]):
            raise _other_model(path, what, f"{name!r} {present[name]}, needed {shape}")


def _fits(needed: Shape, present: Shape) -> bool:
    return len(needed) == len(present) and all(
        want is None or have is None or want == have
        for want, have in zip(needed, present, strict=True)
    )


def _other_model(path: Path, what: str, problem: str) -> UserError:
    return UserError(
        where=str(path),
        field=f"{what}s",
        problem=f"another network than expected: its {what}s are {problem}",
        remedy="restore the catalogue's file: menshen models pull",
    )


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0][:200] if text else type(error).__name__
