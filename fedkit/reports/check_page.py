"""The check of a data set as one HTML page: a traffic light with its reasons, then every finding, the gravest first.

No script, no network; personal data in examples is masked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from fedkit.core.formatting import count, tidy
from fedkit.plots.theme import FONT
from fedkit.quality.finding import Finding
from fedkit.quality.personal import mask

if TYPE_CHECKING:
    from fedkit.quality.report import Quality

LIGHTS = {"ready": ("#00724f", "Ready"), "care": ("#8a5a00", "Usable with care"), "not yet": ("#a33c00", "Not yet")}
GROUPS = {  # headings of the page's parts
    "stop": "What must be mended first",
    "care": "What someone should look at",
    "note": "Good to know",
}
LEVELS = {
    "stop": ("#a33c00", "must be mended"),
    "care": ("#8a5a00", "look at this"),
    "note": ("#595959", "good to know"),
}
ANSWERS = {
    "ready": "This file can be used as it is.",
    "care": "This file can be used; read the reasons below before you trust what comes of it.",
    "not yet": "This file cannot carry the question yet; what has to be mended stands below.",
}
ROWS, BARS = 12, 30  # row numbers of a finding, labels or sites in a picture

CSS = """
:root { --ink: #222; --muted: #595959; --line: #d9d9d9; --soft: #f6f7f8; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff; font: 15px/1.5 __FONT__; overflow-wrap: anywhere; }
main { max-width: 980px; margin: 0 auto; padding: 24px 20px 60px; }
h1 { font-size: 26px; margin: 0 0 2px; } h2 { font-size: 19px; margin: 30px 0 8px; padding-top: 12px; border-top: 2px solid #222; }
.asked { color: var(--muted); margin: 0 0 14px; }
.light { display: flex; gap: 18px; align-items: center; background: var(--soft); padding: 14px 18px; }
.lamp { display: flex; flex-direction: column; gap: 5px; background: #222; padding: 7px; border-radius: 9px; }
.lamp i { width: 18px; height: 18px; border-radius: 50%; background: #555; }
.verdict b { font-size: 26px; line-height: 1.2; display: block; }
ul { margin: 6px 0; padding-left: 20px; } li { margin: 3px 0; }
.finding { border: 1px solid var(--line); border-left: 6px solid; padding: 8px 14px 10px; margin: 10px 0; break-inside: avoid; }
.finding h3 { font-size: 16px; margin: 0 0 2px; } .finding p { margin: 3px 0; }
.tag { color: #fff; font-size: 12px; font-weight: 600; padding: 1px 7px; border-radius: 3px; margin-right: 8px; white-space: nowrap; }
.tag.done { background: #44566c; }
.small, dt { color: var(--muted); font-size: 13.5px; } dl { display: grid; grid-template-columns: 7.5em 1fr; gap: 2px 10px; margin: 4px 0 0; }
dd { margin: 0; } code { background: var(--soft); padding: 0 4px; font-family: inherit; }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 26px; } @media (max-width: 700px) { .two { grid-template-columns: 1fr; } }
.bars { display: grid; grid-template-columns: minmax(90px, 56%) 1fr 3.5em; gap: 3px 8px; font-size: 13.5px; align-items: center; }
.bars i { display: block; height: 11px; background: #0072b2; } .bars b { font-weight: 400; text-align: right; }
@page { size: A4; margin: 13mm; } @media print { main { padding: 0; } body { font-size: 11.5px; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""

TEMPLATE = """{% macro bars(counts, more) %}<div class="bars">
{%- for name, n, width in counts %}<span>{{ name }}</span><span><i style="width: {{ width }}%"></i></span><b>{{ n }}</b>{% endfor %}</div>
{% if more %}<p class="small">and {{ more }} more</p>{% endif %}{% endmacro -%}
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Can {{ name }} be used?</title>
<style>{{ css }}</style>
</head>
<body><main>
<h1>Can this data be used?</h1>
<p class="asked">{{ name }}: {{ size }}. {{ roles }}.</p>
<div class="light" style="border-left: 8px solid {{ light[0] }}">
<div class="lamp" aria-hidden="true">{% for lit in lamps %}<i{% if lit %} style="background: {{ lit }}"{% endif %}></i>{% endfor %}</div>
<div class="verdict"><b>{{ light[1] }}</b>{{ answer }}</div></div>
{% if reasons %}<ul>{% for reason in reasons %}<li>{{ reason }}</li>{% endfor %}</ul>{% endif %}
{% if smallest %}<p><b>What this data can show:</b> {{ smallest }}</p>{% endif %}

{% if did %}<h2>What the cleaned copy has changed</h2>
<ul>{% for line in did %}<li>{{ line }}</li>{% endfor %}</ul>
<p class="small">The original file was not changed. The copy is <code>{{ clean }}</code>, beside this page
{%- if review %}; <code>{{ review }}</code> lists rows to look at, and why{% endif %}.</p>{% endif %}

{% for title, findings in groups %}<h2>{{ title }} <span class="small">({{ findings | length }})</span></h2>
{% for f in findings %}<div class="finding" style="border-left-color: {{ f.colour }}">
<h3>{{ f.what }}{% if f.mended %} <span class="tag done">{{ done }}</span>{% endif %}</h3>
<dl><dt>Why</dt><dd>{{ f.why }}</dd><dt>How to mend</dt><dd>{{ f.mend }}</dd>
{%- if f.rows %}<dt>Rows</dt><dd>{{ f.rows }}</dd>{% endif %}
{%- if f.examples %}<dt>Such as</dt><dd>{% for e in f.examples %}<code>{{ e }}</code>{% if not loop.last %}<br>{% endif %}{% endfor %}</dd>{% endif %}</dl>
</div>{% endfor %}{% else %}<h2>What was found</h2><p>Nothing to complain about.</p>{% endfor %}

<h2>What is in it</h2>
<div class="two"><div><h3>{{ labels_title }}</h3>{{ bars(labels, labels_more) }}</div>
<div><h3>{{ sites_title }}</h3>{{ bars(sites, sites_more) }}</div></div>

{% if notes %}<h2>What reading it guessed</h2><ul>{% for note in notes %}<li>{{ note }}</li>{% endfor %}</ul>{% endif %}
<p class="small">sha256 of the file: {{ sha256 }}. Written by fedkit. This page loads nothing and asks nothing of any network; it shows
examples from the file, so treat it as you treat the file.</p>
</main></body></html>
"""


def render(quality: Quality, did: Sequence[str] = (), clean: str = "", review: str = "") -> str:
    """The page as text. did: what the cleaned copy changed, in sentences. clean, review: names of the files beside it."""
    engine = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    light = LIGHTS[quality.verdict]
    columns = quality.columns
    roles = {"Text": columns.text, "label": columns.label, "site": columns.client}
    labels, labels_more = _bars(quality.labels)
    sites, sites_more = _bars(quality.clients)
    return engine.from_string(TEMPLATE).render(
        css=Markup(CSS.replace("__FONT__", FONT)), name=tidy(quality.name, 80), size=count(quality.rows, "row"),
        roles=", ".join(f"{role}: column {tidy(name)}" for role, name in roles.items() if name),
        light=light, lamps=[light[0] if word == quality.verdict else "" for word in ("not yet", "care", "ready")],
        answer=ANSWERS[quality.verdict], reasons=quality.reasons, smallest=_smallest(quality),
        groups=_groups(quality.findings), labels=labels, labels_more=labels_more, sites=sites,
        sites_more=sites_more, labels_title=count(len(quality.labels), "label"),
        sites_title=count(len(quality.clients), "site") if quality.clients else "No column says whose a row is",
        did=list(did), clean=clean, review=review, done="mended in the cleaned copy" if clean else "a cleaned copy mends this", notes=quality.notes, sha256=quality.sha256 or "not known",
    )


def _bars(counts: Mapping[str, int]) -> tuple[list[tuple[str, str, float]], int]:
    """(name, number, width in per cent) of the most frequent, and how many are not shown."""
    top = max(counts.values(), default=1) or 1
    shown = list(counts.items())[:BARS]
    return [(tidy(name, 32), f"{n:,}", round(100 * n / top, 1)) for name, n in shown], len(counts) - len(shown)


def _smallest(quality: Quality) -> str:
    points, said = quality.smallest_difference, any(f.kind == "few-examples" for f in quality.findings)
    if points is None or said or not points < 100:
        return ""
    return f"differences in accuracy of about {points:.1f} points or more; smaller ones it cannot tell from chance."


def _groups(findings: Sequence[Finding]) -> list[tuple[str, list[dict[str, Any]]]]:
    """(heading, findings) by level; what the cleaned copy does not mend comes first."""
    split = {title: [f for f in findings if f.level == level] for level, title in GROUPS.items()}
    return [(title, [_shown(f) for f in sorted(found, key=lambda f: f.mended)]) for title, found in split.items() if found]


def _shown(f: Finding) -> dict[str, Any]:
    colour, _ = LEVELS[f.level]
    rows = ", ".join(f"{row:,}" for row in f.rows[:ROWS]) + (f" and {f.count - ROWS:,} more" if f.count > ROWS else "")
    return {"colour": colour, "mended": f.mended, "what": f.what, "why": f.why, "mend": f.mend,
            "rows": rows if f.rows else "", "examples": [mask(example) for example in f.examples]}
