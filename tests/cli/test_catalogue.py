"""Test `fedkit methods`: every entry of a registry is listed with its parameters."""

from __future__ import annotations

import json

from fedkit.cli import main
from fedkit.cli.summaries import REGISTRIES, list_methods


def test_every_registry_is_there_with_what_it_says_of_itself():
    from fedkit.models.tuners.registry import TUNERS
    from fedkit.network import LINKS

    known = list_methods()
    assert list(known) == list(REGISTRIES)
    assert [e["name"] for e in known["tune"]] == list(TUNERS) and [
        e["name"] for e in known["link"]
    ] == list(LINKS)
    lora = known["tune"][0]
    assert (
        lora["parameters"]["r"] == 8
        and lora["about"].startswith("Low-rank adapters")
        and "needs" in lora
    )
    assert [e for entries in known.values() for e in entries if not e["about"]] == []
    for required in (
        "tune",
        "head_start",
        "loss",
        "strategy",
        "partition",
        "devices",
        "baseline",
        "engine",
    ):
        assert known[required]


def test_as_text_and_json(capsys):
    assert main.main(["methods"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100 and "tune: what is trained and sent" in lines
    assert any(line.startswith("  dirichlet ") for line in lines)
    assert main.main(["methods", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(list_methods()))
