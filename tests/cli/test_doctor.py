from __future__ import annotations

import json
import subprocess
import sys
import tempfile

import pytest

from fedkit.cli import doctor
from fedkit.cli.doctor import Check
from fedkit.core.files import REPOSITORY

GIB = 2**30


def assert_mendable(check: Check) -> None:
    """A check that is not fine says in one line how to fix it."""
    assert check.ok is not True
    assert check.mend and "\n" not in check.mend + check.found


def test_every_check_answers_and_every_fault_says_how_to_mend_it(tmp_path):
    checks = doctor.run_checks(out=tmp_path / "runs" / "new")
    assert len({c.name for c in checks}) == len(checks) == 12
    for c in checks:
        if c.ok is not True:
            assert_mendable(c)
    assert not (tmp_path / "runs").exists()  # looking makes nothing


def test_the_tested_set_up_has_its_packages_weights_and_widgets():
    for c in (
        doctor.python_check(),
        doctor.packages_check(),
        doctor.weights_check(),
        doctor.widgets_check(),
    ):
        assert c.ok is True, c


def test_old_python():
    c = doctor.python_check((3, 10, 4))
    assert (c.ok, c.found) == (False, "3.10.4")
    assert_mendable(c)
    assert doctor.python_check((3, 11, 5)).ok is True


def test_missing_and_outdated_packages_are_named():
    c = doctor.packages_check(["numpy>=2.0", "no-such-package-here>=1", "rich>=999"])
    assert c.ok is False
    assert (
        "no-such-package-here is missing" in c.found
        and "is not >=999" in c.found
        and "numpy" not in c.found
    )
    assert_mendable(c)


def test_packages_of_an_extra_or_another_system_are_not_needed():
    assert doctor.packages_check(["no-such-package-here; extra == 'hub'"]).ok is True
    assert doctor.packages_check(["no-such-package-here; python_version < '3'"]).ok is True


def test_without_pyproject_the_installed_metadata_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    monkeypatch.setattr(doctor.importlib.metadata, "requires", lambda name: ["numpy>=999"])
    assert doctor.packages_check().ok is False


def test_weights_with_a_changed_byte(tmp_path):
    fake = tmp_path / "model.safetensors"
    fake.write_bytes(b"not the weights")
    c = doctor.weights_check(path=fake)
    assert c.ok is False and "sha256" in c.found
    assert_mendable(c)


def test_weights_that_are_not_there(tmp_path, monkeypatch):
    assert_mendable(doctor.weights_check(path=tmp_path / "gone.safetensors"))
    monkeypatch.setattr(doctor, "WEIGHTS_PACKAGE", "no_such_package_here")
    c = doctor.weights_check()
    assert c.ok is False and "no_such_package_here" in c.found


def test_another_model(tmp_path):
    assert doctor.weights_check("someone/some-model").ok is None
    assert doctor.weights_check(str(tmp_path)).ok is False
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"x")
    assert doctor.weights_check(str(tmp_path)).ok is True


def test_bundled_data(tmp_path):
    assert_mendable(doctor.data_check(tmp_path))
    train = tmp_path / "data" / "service_desk" / "train.csv"
    train.parent.mkdir(parents=True)
    train.touch()
    assert doctor.data_check(tmp_path).ok is False  # there but empty
    train.write_text("text,label\nprinter is down,IT\n")
    assert doctor.data_check(tmp_path).ok is True


def refuse(*args, **kwargs):
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize(("needed", "expected"), [(True, False), (False, None)])
def test_read_only_folder(tmp_path, monkeypatch, needed, expected):
    tmp_path.chmod(0o500)
    try:
        tempfile.TemporaryFile(dir=tmp_path).close()
    except PermissionError:
        pass
    else:  # the superuser may write anywhere, so the refusal is planted
        monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    c = doctor.writable_check("output folder", tmp_path, needed=needed)
    assert c.ok is expected and "cannot write" in c.found
    assert_mendable(c)


def test_output_folder_that_is_a_file(tmp_path):
    (tmp_path / "out").write_text("")
    assert_mendable(doctor.writable_check("output folder", tmp_path / "out"))
    assert_mendable(doctor.writable_check("output folder", tmp_path / "out" / "below"))


def test_cache_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    assert doctor.cache_folder() == tmp_path / "hf"
    monkeypatch.delenv("HF_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert doctor.cache_folder() == tmp_path / "huggingface"


@pytest.mark.parametrize(("free_gib", "ok"), [(3.9, None), (4, True), (64, True)])
def test_memory(free_gib, ok):
    c = doctor.memory_check(int(free_gib * GIB))
    assert c.ok is ok and bool(c.mend) is (ok is None)


@pytest.mark.parametrize(("free_gib", "ok"), [(0.5, None), (2, True)])
def test_free_disk(tmp_path, free_gib, ok):
    assert doctor.disk_check(tmp_path / "not" / "yet", int(free_gib * GIB)).ok is ok


@pytest.mark.parametrize(
    ("cpus", "threads", "ok"),
    [(2, 2, True), (8, 4, True), (1, 1, True), (2, 8, None), (8, 1, None)],
)
def test_threads(monkeypatch, cpus, threads, ok):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    c = doctor.threads_check(cpus, threads)
    assert c.ok is ok and "OMP_NUM_THREADS 7" in c.found and bool(c.mend) is (ok is None)


@pytest.mark.parametrize(
    ("cpuinfo", "found"),
    [
        (
            "processor : 0\nflags\t\t: fpu sse2 avx512_bf16 amx_bf16\n",
            "native (amx_bf16, avx512_bf16)",
        ),
        ("processor : 0\nFeatures\t: fp asimd bf16\n", "native (bf16)"),
        ("flags\t\t: fpu sse2\nmodel name : bf16\n", "not native; float32 works everywhere"),
        ("", "not native; float32 works everywhere"),
    ],
)
def test_bf16(cpuinfo, found):
    c = doctor.bf16_check(cpuinfo)
    assert (c.ok, c.found) == (True, found)


def test_widgets_without_their_browser_half(tmp_path):
    (tmp_path / "anywidget").mkdir()
    c = doctor.widgets_check([tmp_path])
    assert c.ok is False and "@jupyter-widgets/jupyterlab-manager" in c.found
    assert_mendable(c)


def test_a_check_that_breaks_is_a_failed_check(monkeypatch):
    def broken() -> Check:
        raise OSError("libtorch.so: cannot open\nshared object file")

    monkeypatch.setattr(doctor, "gpu_check", broken)
    gpu = next(c for c in doctor.run_checks() if c.name == "GPU")
    assert gpu.ok is False and "libtorch.so: cannot open shared object file" in gpu.found
    assert_mendable(gpu)


def test_table_and_json():
    checks = [
        Check("Python", True, "3.11.7"),
        Check("memory", None, "2.0 GiB free", "close"),
        Check("data", False, "no"),
    ]
    assert doctor.to_table(checks).splitlines() == [
        "OK    Python  3.11.7",
        "warn  memory  2.0 GiB free",
        "              -> close",
        "FAIL  data    no",
    ]
    read = json.loads(doctor.to_json(checks))
    assert read["ok"] is False
    assert read["checks"][1] == {
        "name": "memory",
        "ok": None,
        "found": "2.0 GiB free",
        "mend": "close",
    }
    assert json.loads(doctor.to_json(checks[:2]))["ok"] is True  # a warning is no failure
    assert doctor.to_table([]) == ""


def test_importing_the_doctor_is_cheap():
    code = (
        "import sys, fedkit.cli.doctor; print(*{'torch', 'transformers', 'numpy', 'psutil'} &"
        " set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ""
