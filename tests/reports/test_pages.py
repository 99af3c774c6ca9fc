"""Pages with figures run plotly's scripts and no others."""

from __future__ import annotations

import base64
import hashlib
import re

from factories.records import federated

from fedkit.cli.main import main
from fedkit.reports.pages import INLINE, content_policy, render


def hashed(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def test_only_the_scripts_that_were_given_run():
    policy = content_policy(["let a = 1;"])
    assert "default-src 'none'" in policy and hashed("let a = 1;") in policy
    assert hashed("alert(1)") not in policy
    assert "script-src 'unsafe-inline'" not in policy


def test_scripts_of_parts_are_found_with_their_attributes():
    part = '<div></div><script type="text/javascript">\nlet b;\n</script>'
    told = {"title": "t", "words": "", "captions": [""]}
    page = render("reports/figures.html.j2", parts=[part], **told)
    assert hashed("\nlet b;\n") in page.partition("<title>")[0]


def test_replayed_and_data_pages_name_every_script_of_theirs(tmp_path, capsys):
    federated().save(tmp_path)
    assert main(["replay", str(tmp_path), "--html", str(tmp_path / "r.html")]) == 0
    assert main(["data", "service_desk", "--html", str(tmp_path / "d.html")]) == 0
    for name in ("r.html", "d.html"):
        page = (tmp_path / name).read_text(encoding="utf-8")
        policy = re.search('http-equiv="Content-Security-Policy" content="([^"]*)"', page)
        assert policy and page.index(policy[0]) < page.index("<script")
        scripts = INLINE.findall(page)
        assert scripts and all(hashed(script) in policy[1] for script in scripts)
