"""How the brief's page looks: its style sheet and its template. Nothing is loaded and no script runs.

Printed, the page is one sheet of A4: `main` has the sheet's size, and everything in it is set in em of --size, which
`page.render` chooses so that it all fits. On a screen the same blocks flow in as many columns as there is room for.
"""

from __future__ import annotations

CSS = """
* { box-sizing: border-box; }
body { margin: 0; color: #222; background: #fff; font: 15px/1.45 __FONT__; overflow-wrap: anywhere; line-break: strict; }
main, .all { max-width: 1060px; margin: 0 auto; padding: 22px 26px; }
h1 { font-size: 1.35em; line-height: 1.25; margin: 0; }
h2 { font-size: 1.02em; line-height: 1.25; margin: 0 0 .3em; padding-top: .3em; border-top: 2px solid #222; }
p { margin: .2em 0; } ul, ol { margin: .2em 0; padding-left: 1.3em; } li { margin: .16em 0; }
.head { display: flex; justify-content: space-between; gap: 1.2em; align-items: baseline; }
.date, .muted, .foot { color: #595959; } .date { white-space: nowrap; }
.verdict { display: flex; gap: 1.1em; align-items: center; margin: .7em 0; padding: .7em 1.1em; border-left: 8px solid; border-radius: 4px; }
.verdict .light { width: 2.9em; flex: none; } .verdict b { display: block; font-size: 1.9em; line-height: 1.15; }
.verdict p { font-size: 1.14em; line-height: 1.35; margin: .15em 0 0; color: #222; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .8em; margin: .6em 0; }
.tile { border: 1px solid #d0d0d0; border-top: 5px solid #222; padding: .4em .7em .5em; min-width: 0; }
.tile b { display: block; font-size: 1.85em; line-height: 1.2; } .tile b.long { font-size: 1.25em; line-height: 1.3; }
.tile span { display: block; font-size: .88em; line-height: 1.3; } .tile .muted { font-size: .8em; }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr)); gap: 1.1em; margin-top: .9em; }
.column { min-width: 0; display: flex; flex-direction: column; gap: .7em; }
.plot { width: 100%; max-width: 470px; height: auto; display: block; margin: .3em 0; font-family: inherit; } .plot text { font-family: __FONT__; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .92em; line-height: 1.3; }
th, td { text-align: left; vertical-align: top; padding: .16em .5em .16em 0; border-bottom: 1px solid #dcdcdc; }
th { font-weight: 600; } td.number, th.number { text-align: right; } td b { white-space: nowrap; }
.hours td, .hours th { min-width: 4.2em; } .note { color: #595959; font-size: .92em; }
.rules { list-style: none; padding: 0; } .rules li { padding-left: 1.5em; position: relative; }
.sign { position: absolute; left: 0; font-weight: 700; } .yes { color: #00694c; } .no { color: #a83a00; }
.steps { padding-left: 1.5em; } .quotes { list-style: none; padding: 0; } .quotes li { border-left: 3px solid #0072b2; padding-left: .6em; margin: .3em 0; }
.rest { display: none; } .foot { font-size: .84em; margin-top: 1em; border-top: 1px solid #bbb; padding-top: .4em; }
.all { padding-top: 0; } .all summary { font-weight: 600; cursor: pointer; padding: .4em 0; } .all table { font-size: .88em; } .all td { padding-right: .8em; }
@media (max-width: 600px) { main, .all { padding: 14px; } .head { display: block; } .tiles { grid-template-columns: repeat(2, 1fr); } .verdict { padding: .6em .7em; gap: .8em; } .verdict b { font-size: 1.6em; } }
@page { size: A4 portrait; margin: 0; }
@media print {
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  html, body { width: 794px; background: #fff; } body { font-size: var(--size); line-height: 1.3; }
  main { width: 794px; max-width: none; height: 1120px; margin: 0; padding: 22px 26px 16px; overflow: hidden; display: flex; flex-direction: column; justify-content: space-between; }
  h1 { font-size: 1.5em; } .head { display: flex; } .verdict { margin: 6px 0; padding: 7px 14px; } .verdict b { font-size: 2.1em; } .verdict .light { width: 24px; }
  .verdict p { font-size: 1.2em; line-height: 1.28; } .tiles { grid-template-columns: repeat(__TILES__, 1fr); gap: 8px; margin: 6px 0; } .tile { padding: 3px 8px 4px; border-top-width: 4px; }
  .tile b, .tile b.long { font-size: var(--big); line-height: 1.15; } .tile span { font-size: .95em; line-height: 1.22; } .tile .muted { font-size: .88em; }
  .row { grid-template-columns: var(--columns); gap: 14px; margin-top: 6px; } .column { gap: 4px; } h2 { font-size: 1.08em; margin-bottom: 2px; padding-top: 3px; border-top-width: 1.5px; }
  p, li { margin: 1px 0; } ul, ol { margin: 1px 0; } .quotes li { margin: 2px 0; } .plot { margin: 2px 0; max-height: var(--picture); }
  table { font-size: .95em; line-height: 1.24; } th, td { padding-top: 1px; padding-bottom: 1px; } .scroll { overflow: hidden; }
  .tight .text { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: var(--clamp); overflow: hidden; }
  .cut { display: none !important; } .rest { display: block; color: #595959; list-style: none; } tr.rest { display: table-row; }
  .foot { font-size: .9em; line-height: 1.25; margin-top: 6px; padding-top: 3px; } .all { display: none; }
}
"""

TEMPLATE = """{% macro item(text, cut) %}<li{% if cut %} class="cut"{% endif %}><span class="text">{{ text }}</span></li>{% endmacro %}
{% macro rest(kept, all) %}{% if kept < all|length %}<li class="rest">… +{{ all|length - kept }}</li>{% endif %}{% endmacro %}
{% macro lines(block) %}<{{ block.tag }} class="{{ block.css }}">
{% for text in block.items %}{{ item(text, loop.index0 >= block.kept) }}
{% endfor %}{{ rest(block.kept, block.items) }}</{{ block.tag }}>{% endmacro %}
{% macro rules(block) %}<ul class="rules">
{% for sign, css, name, text, found in block.items %}<li{% if loop.index0 >= block.kept %} class="cut"{% endif %}><span class="sign {{ css }}" role="img" aria-label="{{ name }}">{{ sign }}</span><span class="text">{{ text }}{% if found %} <span class="muted">({{ found }})</span>{% endif %}</span></li>
{% endfor %}{{ rest(block.kept, block.items) }}</ul>{% endmacro %}
{% macro table(block) %}<div class="scroll"><table class="{{ block.css }}">
{% if block.head %}<tr>{% for cell in block.head %}<th class="{{ 'number' if loop.index0 and block.css == 'hours' }}{{ ' cut' if loop.index0 >= block.wide }}"><span class="text">{{ cell }}</span></th>{% endfor %}</tr>{% endif %}
{% for row in block.items %}<tr class="{{ 'cut' if loop.index0 >= block.kept }}">{% for cell in row %}<td class="{{ 'number' if loop.index0 and block.css == 'hours' }}{{ ' cut' if loop.index0 >= block.wide }}"><span class="text">{% if block.css != 'hours' and loop.index0 == 1 %}<b>{{ cell }}</b>{% else %}{{ cell }}{% endif %}</span></td>{% endfor %}</tr>
{% endfor %}{% if block.kept < block.items|length or block.cut_columns %}<tr class="rest"><td colspan="{{ block.wide }}">… +{{ block.items|length - block.kept }}{% if block.cut_columns %} / +{{ block.cut_columns }}{% endif %}</td></tr>{% endif %}
</table></div>{% endmacro %}
{% set draw = {"lines": lines, "rules": rules, "table": table} %}
<!DOCTYPE html>
<html lang="{{ brief.lang }}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{{ title }}</title>
<style>{{ css }}</style>
</head>
<body class="{{ 'tight' if level.clamp < 99 }}" style="--size: {{ level.size }}px; --clamp: {{ level.clamp }}; --picture: {{ level.picture }}px; --big: {{ big }}em">
<main>
<div class="head"><h1>{{ title }}</h1><span class="date">{{ date }}</span></div>
<p class="muted text">{{ question }}</p>
<div class="verdict" style="background: {{ pale }}; color: {{ dark }}">{{ light }}<div><b>{{ verdict }}</b><p class="text">{{ headline }}</p></div></div>
<div class="tiles">
{% for tile in tiles %}<div class="tile" style="border-top-color: {{ dark }}"><b class="{{ tile.size }}">{{ tile.value }}</b><span class="text">{{ tile.name }}</span>{% if tile.note %}<span class="muted text">{{ tile.note }}</span>{% endif %}</div>
{% endfor %}</div>
{% for columns, row in rows %}
<div class="row" style="--columns: {{ columns }}">
{% for column in row %}<div class="column">
{% for block in column %}<section class="{{ block.key }}"><h2>{{ block.title }}</h2>
{% for text in block.before %}<p class="text">{{ text }}</p>{% endfor %}
{{ block.picture }}
{% for text in block.after %}<p class="text note">{{ text }}</p>{% endfor %}
{% if block.items %}{{ draw[block.kind](block) }}{% endif %}
</section>
{% endfor %}</div>
{% endfor %}</div>
{% endfor %}
<div class="foot"><p class="text"><b>{{ ui.sources }}</b> {{ sources|join(" · ") }}</p><p>{{ ui.made_by }}</p></div>
</main>
{% if assumptions %}<section class="all"><details open><summary>{{ ui.open_values }}</summary>
<div class="scroll"><table><tr><th>{{ ui.name }}</th><th>{{ ui.value }}</th><th>{{ ui.note }}</th><th>{{ ui.source }}</th></tr>
{% for fact in assumptions %}<tr><td>{{ fact.name }}</td><td><b>{{ fact.value }}</b></td><td>{{ fact.note }}</td><td>{{ fact.source }}</td></tr>
{% endfor %}</table></div></details></section>{% endif %}
</body>
</html>
"""
