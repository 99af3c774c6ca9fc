"""`fedkit account`: what is listed, the limit, and one line for what cannot be."""

from __future__ import annotations

import json

import pytest
from factories.refusals import assert_one_line


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDKIT_ACCOUNTS", str(tmp_path / "accounts"))


@pytest.fixture
def private_run(fed, tiny_data, tiny_model):
    """Make a private run of two rounds on the tiny data: (exit code, stdout, stderr)."""
    words = ["run", "--data", tiny_data, "--model", tiny_model, "--partition", "column:site"]
    words += ["--max-tokens", 32, "--tune", "head", "--rounds", 2, "--privacy", "example:eps=3"]
    return lambda *more: fed(*words, *more)


def test_what_is_spent_is_shown_before_the_run_and_listed_after_it(private_run, fed, tiny_data):
    assert fed("account")[1].startswith("no private run has been made\n")
    said = "privacy account of tiny: epsilon 3 spent in 1 run (per example, delta 1e-5)"
    for out in ("one", "two"):
        code, _, err = private_run("--out", out)
        assert code == 0
        assert err.index("privacy account of tiny") < err.index("round 1")
    assert f"{said}, this run adds up to 3: 4.47 in all; no limit\n" in err
    for words in ([], [tiny_data], ["one"]):
        code, out, err = fed("account", *words)
        assert (code, err) == (0, "")
        assert out.startswith("privacy account of tiny: epsilon 4.47 spent in 2 runs")
        assert "not counted: runs and baselines without privacy" in out
        assert out.count("example:eps=3: epsilon 3 (delta 1e-5), finished") == 2 * len(words)
        assert out.count("follows the seed") == 2 * len(words)


def test_the_limit_ends_with_one_line_and_code_2(private_run, fed, tiny_data, tmp_path):
    code, out, _ = fed("account", tiny_data, "--limit-example", 2)
    assert code == 0 and out.startswith("privacy account of tiny: epsilon 0 spent in 0 runs")
    code, out, err = private_run("--out", "refused")
    assert (code, out) == (2, "")
    assert_one_line(err, "privacy account tiny limit 2 ask the owner (fedkit account --help)")
    assert not (tmp_path / "refused").exists()
    assert private_run("--out", "open", "--privacy", "none")[0] == 0


def test_json(private_run, fed, tiny_data):
    private_run("--out", "one")
    code, out, err = fed("account", tiny_data, "--limit-example", 5, "--delta", 1e-6, "--json")
    values = json.loads(out)
    assert (code, err) == (0, "") and values["schema"] == "fedkit.account/1"
    assert values["limits"] == {"example": {"eps": 5.0, "delta": 1e-6}}
    assert values["spent"]["example"]["delta"] == 1e-6
    assert 3 < values["spent"]["example"]["eps"] < 4
    assert [(e["privacy"], e["finished"]) for e in values["entries"]] == [("example:eps=3", True)]
    assert json.loads(fed("account", "--json")[1]) == [values]


def test_bundled_data_has_no_account(fed):
    code, out, _ = fed("account", "service_desk")
    assert code == 0 and "synthetic: nobody's, and no run is entered" in out
    assert json.loads(fed("account", "service_desk", "--json")[1])["bundled"] is True
    code, _, err = fed("account", "service_desk", "--limit-example", 8)
    assert code == 2
    assert_one_line(err, "service_desk kit")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--limit-example", 8], "limit needs data"),
        (["service_desk", "--delta", 1e-5], "--delta limit"),
        (["nowhere.csv"], "no file folder nowhere.csv"),
        (["abcdef012345"], "unknown data set"),
        (["DATA", "--limit-example", -1], "limit above 0"),
        (["DATA", "--limit-client", 1, "--delta", 2], "delta below 1"),
        (["DATA", "--limit-client", "much"], "much number"),
    ],
)
def test_bad_input(fed, tiny_data, words, said):
    code, out, err = fed("account", *(tiny_data if word == "DATA" else word for word in words))
    assert (code, out) == (2, "")
    assert_one_line(err, said)


def test_a_damaged_account(private_run, fed, tiny_data, tmp_path):
    private_run("--out", "one")
    [path] = (tmp_path / "accounts").glob("*.json")
    path.write_text(path.read_text()[:100])
    for words in (["account"], ["account", tiny_data]):
        code, _, err = fed(*words)
        assert code == 2
        assert_one_line(err, f"privacy account {path.name} copy")
