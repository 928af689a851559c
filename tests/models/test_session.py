"""A model file is what it claims to be, or the person is told which file and what to do."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.errors import UserError
from models.session import CPU, Signature, open_session, resolve_providers
from tests.models.tiny_onnx import identity


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.onnx"
    path.write_bytes(identity(("n", 3), metadata={"made_by": "a test"}))
    return path


def test_a_network_runs_and_tells_its_shapes_and_metadata(tiny: Path) -> None:
    with open_session(tiny) as session:
        values = np.array([[1.0, 2.0, 3.0]], np.float32)
        assert session.run({"input": values})["output"].tolist() == [[1.0, 2.0, 3.0]]
        assert session.input_shapes == {"input": (None, 3)}
        assert session.metadata["made_by"] == "a test"
        assert session.providers == (CPU,)
        assert session.sha256 == hashlib.sha256(tiny.read_bytes()).hexdigest()
    with pytest.raises(RuntimeError, match="closed"):
        session.run({"input": values})


def test_the_hash_is_held_against_the_bytes_that_are_loaded(tiny: Path) -> None:
    right = hashlib.sha256(tiny.read_bytes()).hexdigest()
    open_session(tiny, sha256=right).close()
    with pytest.raises(UserError) as caught:
        open_session(tiny, sha256="0" * 64)
    assert caught.value.where == str(tiny)
    assert right in caught.value.problem
    assert "models pull" in caught.value.remedy


@given(keep=st.integers(min_value=0, max_value=200))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_cut_anywhere_is_a_clear_error_or_still_a_network(tmp_path: Path, keep: int) -> None:
    whole = identity((1, 3))
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(whole[: min(keep, len(whole) - 1)])
    try:
        open_session(cut, sha256=None).close()
    except UserError as error:
        assert str(cut) in str(error)
        assert "models pull" in error.remedy


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"<html>404</html>", b"\xff" * 5000])
def test_what_is_no_network_names_the_file_and_the_remedy(tmp_path: Path, content: bytes) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(content)
    with pytest.raises(UserError, match=r"bad\.onnx.*models pull"):
        open_session(bad)


def test_an_absent_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.onnx"):
        open_session(tmp_path / "nowhere.onnx")
    with pytest.raises(UserError, match="cannot read"):
        open_session(tmp_path)


@pytest.mark.parametrize(
    ("signature", "field"),
    [
        (Signature({"pixels": (None, 3)}, {}), "inputs"),
        (Signature({"input": (None, 4)}, {}), "inputs"),
        (Signature({"input": (None, 3, 1)}, {}), "inputs"),
        (Signature({"input": (None, 3)}, {"scores": (None, 3)}), "outputs"),
        (Signature({"input": (None, 3)}, {"output": (None, 7)}), "outputs"),
    ],
)
def test_another_network_than_expected_is_refused(
    tiny: Path, signature: Signature, field: str
) -> None:
    with pytest.raises(UserError) as caught:
        open_session(tiny, signature=signature)
    assert caught.value.field == field
    assert caught.value.where == str(tiny)


def test_a_dynamic_axis_fits_any_number(tiny: Path) -> None:
    open_session(tiny, signature=Signature({"input": (8, 3)}, {"output": (8, None)})).close()


@pytest.mark.parametrize(
    "feeds",
    [
        {"input": np.zeros((1, 4), np.float32)},
        {"input": np.zeros((1, 3), np.uint8)},
        {"other": np.zeros((1, 3), np.float32)},
        {},
    ],
)
def test_arrays_the_network_refuses_are_named(tiny: Path, feeds: dict[str, np.ndarray]) -> None:
    with open_session(tiny) as session, pytest.raises(UserError, match=r"tiny\.onnx"):
        session.run(feeds)


def test_a_provider_this_machine_lacks_falls_back_to_the_cpu(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_session(tiny, providers=("openvino", "cpu")) as session:
        assert session.providers == (CPU,)
    out = capsys.readouterr()
    assert "OpenVINOExecutionProvider" in out.out + out.err


def test_of_providers_that_fail_one_after_the_other_is_left_out(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def opened(content: bytes, options: object, providers: list[str]) -> object:
        tried.append(providers[0])
        if providers[0] != CPU:
            raise RuntimeError("no driver")
        return real(content, options, providers=providers)

    runtime = pytest.importorskip("onnxruntime")
    real, names = runtime.InferenceSession, list(resolve_providers(("tensorrt", "cuda", "cpu")))
    monkeypatch.setattr(runtime, "get_available_providers", lambda: names)
    monkeypatch.setattr(runtime, "InferenceSession", opened)
    open_session(tiny, providers=names).close()
    assert tried == names


def test_a_provider_that_onnxruntime_goes_without_in_silence_is_told(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def opened(content: bytes, options: object, providers: list[str]) -> object:
        assert providers[0] == "CUDAExecutionProvider"
        return real(content, options, providers=[CPU])

    runtime = pytest.importorskip("onnxruntime")
    real, names = runtime.InferenceSession, list(resolve_providers(("cuda", "cpu")))
    monkeypatch.setattr(runtime, "get_available_providers", lambda: names)
    monkeypatch.setattr(runtime, "InferenceSession", opened)
    with open_session(tiny, providers=names) as session:
        assert session.providers == (CPU,)
    out = capsys.readouterr()
    assert "CUDAExecutionProvider" in out.out + out.err


def test_a_provider_nobody_knows_is_an_error_with_the_choices() -> None:
    with pytest.raises(UserError, match="cuda"):
        resolve_providers(["gpu"])
    assert resolve_providers(["cuda", "CPU", "cpu"]) == ("CUDAExecutionProvider", CPU)
