"""The report's HTML and CSS. Every value goes through jinja's autoescape; nothing is loaded from anywhere.

Kept as Python text so that it is packaged with the code. The policy in the head lets only the two scripts run whose
hashes it names, so text from data could not run even if escaping failed.
"""

CSS = """
:root { --ink: #222; --muted: #595959; --line: #d9d9d9; --soft: #f6f7f8; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff; font: 16px/1.55 __FONT__; overflow-wrap: anywhere; }
main { max-width: 1120px; margin: 0 auto; padding: 24px 20px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 8px 0 4px; }
h2 { font-size: 22px; margin: 44px 0 8px; padding-top: 14px; border-top: 1px solid var(--line); }
h3 { font-size: 17px; line-height: 1.35; margin: 0 0 6px; }
p { margin: 6px 0; max-width: 75ch; }
.asked { font-size: 18px; color: var(--muted); }
.answer { font-size: 22px; line-height: 1.35; font-weight: 600; margin: 18px 0; padding: 14px 18px;
  background: var(--soft); border-left: 6px solid var(--ink); max-width: none; }
.answer small { font-weight: 400; font-size: 0.75em; }
.over { color: var(--muted); font-size: 12px; font-weight: 400; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(178px, 1fr)); gap: 14px; margin: 20px 0; }
.tile { border: 1px solid var(--line); border-top: 6px solid var(--ink); padding: 10px 14px 12px; break-inside: avoid; }
.tile b { display: block; font-size: 32px; line-height: 1.2; overflow-wrap: normal; }
.tile .what { font-weight: 600; }
.tile .note { color: var(--muted); font-size: 14px; line-height: 1.4; display: block; }
ul { padding-left: 22px; margin: 8px 0; } li { margin: 4px 0; max-width: 85ch; }
.figures { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 28px 32px;
  grid-auto-flow: dense; }
figure { margin: 0; min-width: 0; break-inside: avoid; }
figure.wide { grid-column: 1 / -1; }
figcaption, .small { color: var(--muted); font-size: 14px; line-height: 1.45; max-width: 85ch; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: 6px 6px; border-bottom: 1px solid var(--line); text-align: right; vertical-align: bottom; }
th { font-weight: 600; line-height: 1.3; overflow-wrap: normal; min-width: 64px; }
td { vertical-align: top; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 150px; }
.board th:first-child, .board td:first-child { position: sticky; left: 0; background: #fff; }
tr.main td { font-weight: 600; background: var(--soft); } tr.main td:first-child { background: var(--soft) !important; }
.dot { display: inline-block; width: 11px; height: 11px; margin-right: 7px; border-radius: 2px; }
.pairs td { white-space: normal; text-align: left; overflow-wrap: anywhere; } .pairs { width: auto; min-width: 0; }
details { margin: 12px 0; } summary { cursor: pointer; font-weight: 600; }
@media (max-width: 900px) { .figures { grid-template-columns: minmax(0, 1fr); } }
@media (max-width: 600px) {
  main { padding: 12px 14px 40px; } h1 { font-size: 24px; } .answer { font-size: 18px; padding: 10px 12px; }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 10px; } .tile { padding: 8px 10px 10px; }
  .tile b { font-size: 25px; } .tile:nth-child(odd):last-child { grid-column: 1 / -1; } .asked { font-size: 16px; }
  .board th:first-child, .board td:first-child { min-width: 116px; max-width: 116px; }
}
@media print {
  @page { size: A4; margin: 14mm; }
  body { font-size: 12px; } main { padding: 0; max-width: none; } h1 { font-size: 22px; } h2 { break-after: avoid; }
  .tiles { grid-template-columns: repeat(5, 1fr); gap: 6px; } .tile { padding: 6px; } .tile b { font-size: 19px; }
  .tile .note, figcaption, .small { font-size: 10px; } .answer { font-size: 15px; } .asked { font-size: 13px; }
  .figures { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 18px 24px; } h3 { font-size: 13px; }
  .scroll { overflow: visible; } table, .over { font-size: 8.5px; } th, td { padding: 3px; min-width: 0; }
  th:first-child, td:first-child { min-width: 90px; }
  .board th:first-child, .board td:first-child { position: static; }
  details::details-content { content-visibility: visible; display: block; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""

NOTES = (
    "Accuracy is measured on a test set that nothing was tuned on. No best round is picked on it: the last one counts.",
    "Local only: every client trains alone, and the mean over clients is shown. Each is judged on the same shared test "
    "set, so also on labels that it has rarely seen; on its own mix of labels a client may do better.",
    "Worst client: the lowest accuracy over clients on test examples like their own: of the shared model or, for local "
    "only, of each client's own model.",
    "Bytes are the length of what was serialised, both ways, with headers and the head start. The first download of "
    "the base model{once} is not counted.",
    "Training seconds were measured on the machine that ran this. Simulated seconds are modelled from them, from the "
    "recorded bytes and from an assumed link and device: clients work at the same time, the server waits for the last.",
    "A difference counts when its 95 % interval leaves out zero. That interval covers the choice of test examples (or "
    "of clients), not the luck of split, start and batches; for that, run several seeds.",
)
SEEDS_NOTES = (
    "Runs that differ only in their seed are one method: its accuracy is the mean over seeds, with a t interval. With "
    "one seed the interval is over test examples and leaves out the luck of split, start and batches.",
    "A method is on the Pareto front, marked *, when no other here sends as little and is as accurate, and is better in "
    "one of the two. kB are 1,000 bytes, sent by a client in one round, the mean over its visits in rounds 1, 2, ...; "
    "what is exchanged before round 1 is in the MB of the whole run.",
    "Peak memory is that of the whole process, the most of any seed; in a sweep it holds what earlier runs left behind, "
    "so that a run by itself takes less.",
)
NO_PRIVACY = (
    "No differential privacy in this run: updates left the clients as they were, and updates can leak text. That only "
    "the trained part travels is not a privacy guarantee."
)

DRAW = """
(function () {
  var config = { displayModeBar: false, responsive: true, showLink: false, scrollZoom: false, doubleClick: false };
  var drawn = [];
  document.querySelectorAll("script[data-figure]").forEach(function (held) {
    var figure = JSON.parse(held.textContent), place = document.getElementById(held.dataset.figure);
    (figure.layout.annotations || []).forEach(function (note) {
      if (note.name === "beside" && place.parentNode.classList.contains("wide") && place.clientWidth < 600) {
        note.visible = false;
      }
    });
    Plotly.newPlot(place, figure.data, figure.layout, config);
    drawn.push(place);
  });
  function fit(paper) {
    drawn.forEach(function (place) {
      var width = place.parentNode.classList.contains("wide") ? 680 : 328;
      Plotly.relayout(place, paper ? { width: width, autosize: false } : { width: null, autosize: true });
    });
  }
  window.addEventListener("beforeprint", function () { fit(true); });
  window.addEventListener("afterprint", function () { fit(false); });
})();
"""

TEMPLATE = """{% macro table(heads, board) %}
<div class="scroll" role="region" aria-label="Scoreboard" tabindex="0">
<table class="board">
<thead><tr>{% for head in heads %}<th scope="col">{{ head }}</th>{% endfor %}</tr></thead>
<tbody>
{%- for row in board %}
<tr{% if row.main %} class="main"{% endif %}><td><span class="dot" style="background: {{ row.colour }}"></span>
{%- for cell in row.cells %}{% if not loop.first %}<td>{% endif %}{{ cell[0] }}
{%- for more in cell[1:] %}<br><span class="over">{{ more }}</span>{% endfor %}</td>{% endfor %}</tr>
{%- endfor %}
</tbody>
</table>
</div>
{% endmacro %}
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{{ title }}</title>
<style>{{ css }}</style>
</head>
<body>
<main>
<header>
<h1>{{ title }}</h1>
<p class="asked">{{ asked }}</p>
<p class="answer">{{ answer[0] }}<small>{{ answer[1] }}</small>{{ answer[2] }}</p>
<div class="tiles">
{%- for tile in tiles %}
<div class="tile" style="border-top-color: {{ tile.colour }}">
<span class="what">{{ tile.what }}</span><b>{{ tile.value }}</b><span class="note">{{ tile.note }}</span></div>
{%- endfor %}
</div>
</header>

<h2>What the numbers say</h2>
<ul>{% for sentence in verdict %}<li>{{ sentence }}</li>{% endfor %}</ul>

<h2>Pictures</h2>
<noscript><p>The figures need JavaScript; every number is in the table below.</p></noscript>
<div class="figures">
{%- for figure in figures %}
<figure{% if figure.wide %} class="wide"{% endif %}>
<h3>{{ figure.sentence }}</h3>
<div id="figure-{{ loop.index }}" role="img" aria-label="{{ figure.sentence }}"
 style="height: {{ figure.height }}px"></div>
<script type="application/json" data-figure="figure-{{ loop.index }}">{{ figure.json }}</script>
<figcaption>{{ figure.caption }}</figcaption>
</figure>
{%- endfor %}
</div>

<h2>Scoreboard</h2>
{{ table(heads, board) }}
<p class="small">A dash: not known, or not counted. MB are 1,000,000 bytes, the mean over clients, without the first
download of the base model. Pooled methods need all text in one place; the bytes of moving it were not counted.</p>
{% if every %}<details>
<summary>Every run by itself</summary>
{{ table(every.heads, every.board) }}</details>{% endif %}

<h2>The data</h2>
<p>{{ data.sentence }}</p>
<p class="small">{{ data.origin }}</p>
{% if data.notes %}<h3>Notes and warnings</h3>
<ul>{% for note in data.notes %}<li>{{ note }}</li>{% endfor %}</ul>{% endif %}

<h2>What these numbers mean</h2>
<ul>{% for note in method %}<li>{{ note }}</li>{% endfor %}</ul>

<details>
<summary>Settings and environment</summary>
<div class="scroll"><table class="pairs">
{%- for name, value in environment %}<tr><td>{{ name }}</td><td>{{ value }}</td></tr>{% endfor -%}
</table></div>
</details>
<p class="small">Written by fedkit. This page holds everything it shows and asks nothing of any network.</p>
</main>
<script>{{ plotly }}</script>
<script>{{ draw }}</script>
</body>
</html>
"""
