"""How the showcase looks: one style sheet, and the pieces of its pages as templates (escaped when they are filled in)."""

from __future__ import annotations

from fedkit.plots.theme import FONT, INK, MUTED
from fedkit.results.method_style import look

TOGETHER, ALONE = look("federated").colour, look("local").colour
WIDTH = 1250  # px, of a step

STYLE = f"""<style>
.fk {{ font-family: {FONT}; color: {INK}; width: {WIDTH}px; max-width: 98%; margin: 0 auto !important; overflow: hidden }}
.fk .widget-html, .fk .widget-html-content {{ line-height: 1.35 !important; font-size: 17px; height: auto }}
.fk .widget-html-content {{ width: 100% }}
.fk p {{ margin: 0 }}
.fk .jupyter-widgets {{ overflow: visible }}
.fk .fk-off {{ visibility: hidden; height: 0 !important; min-height: 0 !important; overflow: hidden !important; margin: 0 !important }}
.fk button.jupyter-button {{ height: 44px; font-size: 17px; font-family: inherit; border-radius: 6px; line-height: 1.2; padding: 0 14px }}
.fk button.jupyter-button:focus-visible, .fk .noUi-handle:focus-visible {{ outline: 3px solid #f0a000; outline-offset: 2px }}
.fk .fk-steps button {{ flex: 1 1 0; background: #eef2f6; color: {INK} }}
.fk .fk-steps button.fk-now {{ background: {INK}; color: #fff; font-weight: 700 }}
.fk .fk-langs button {{ background: #fff; border: 1px solid #b8c2cc; color: {INK}; padding: 0 4px }}
.fk .fk-langs button.fk-now {{ background: {INK}; color: #fff }}
.fk button.fk-do {{ background: {TOGETHER}; color: #fff; font-weight: 700; font-size: 20px }}
.fk button.fk-do:disabled {{ background: #b8c2cc }}
.fk h1 {{ font-size: 31px; line-height: 1.22; margin: 12px 0 4px; font-weight: 700; text-wrap: balance }}
.fk .fk-lead {{ font-size: 19px; color: {MUTED}; margin: 0 0 8px }}
.fk .fk-finding {{ font-size: 24px; font-weight: 700; margin: 8px 0 }}
.fk .fk-tiles {{ display: flex; gap: 14px; margin: 8px 0 }}
.fk .fk-tile {{ flex: 1 1 0; border: 1px solid #d3dae1; border-radius: 8px; padding: 8px 14px; min-width: 0 }}
.fk .fk-tile b {{ display: block; font-size: 38px; line-height: 1.15; white-space: nowrap; font-variant-numeric: tabular-nums }}
.fk .fk-tile.fk-small b {{ font-size: 33px }}
.fk .fk-tile span {{ display: block; font-size: 16px }}
.fk .fk-tile small {{ display: block; font-size: 14px; color: {MUTED} }}
.fk .fk-tone-together b {{ color: {TOGETHER} }} .fk .fk-tone-alone b {{ color: {ALONE} }}
.fk .fk-groups {{ display: flex; gap: 44px; margin: 8px 0 }}
.fk .fk-group {{ flex: 1 1 0 }} .fk .fk-group h2 {{ font-size: 20px; margin: 0 0 6px }}
.fk .fk-bar {{ display: grid; grid-template-columns: 108px 1fr; align-items: center; margin: 6px 0; font-size: 18px }}
.fk .fk-bar i {{ display: block; height: 58px; border-radius: 4px; position: relative; font-style: normal }}
.fk .fk-bar i b {{ position: absolute; right: 12px; color: #fff; font-size: 34px; line-height: 58px }}
.fk .fk-bar div {{ background: #eef2f6; border-radius: 4px }}
.fk .fk-bar .fk-together {{ background: {TOGETHER} }} .fk .fk-bar .fk-alone {{ background: {ALONE} }}
.fk table.fk-who {{ border-collapse: separate; border-spacing: 2px; width: 100%; table-layout: fixed; font-size: 17px }}
.fk table.fk-who th {{ font-weight: 400; text-align: center; font-size: 13px; line-height: 1.15; vertical-align: bottom; padding: 2px 0; overflow-wrap: break-word }}
.fk table.fk-who th[scope=row] {{ text-align: left; font-size: 18px; vertical-align: middle }}
.fk table.fk-who td {{ text-align: center; height: 38px; border-radius: 3px }}
.fk .fk-caveat {{ font-size: 15px; color: {INK}; background: #fff8e6; border-left: 5px solid #e0a800; padding: 7px 12px; margin-top: 8px }}
.fk .fk-status {{ font-size: 19px; min-height: 30px; padding: 4px 0 }} .fk .fk-bad {{ color: #a40000 }}
.fk .fk-slider {{ font-size: 17px; display: flex; justify-content: space-between; padding: 0 8px; margin-top: 10px }}
.fk .fk-slider b {{ font-size: 21px; white-space: nowrap }}
.fk .widget-slider .noUi-target {{ height: 10px }} .fk .widget-slider .noUi-handle {{ width: 26px !important; height: 26px !important; top: -9px !important; right: -13px !important; border-radius: 13px }}
.fk .widget-slider .noUi-connect {{ background: {TOGETHER} }}
.fk .widget-inline-hbox.widget-slider {{ height: 40px }}
.fk .fk-verdict-worse {{ color: {ALONE} }} .fk .fk-verdict-better {{ color: {TOGETHER} }}
.fk .widget-radio-box label {{ font-size: 19px; height: auto; line-height: 1.9; display: flex; flex-direction: row-reverse; justify-content: flex-end; align-items: center; gap: 10px; width: 100% }} .fk .widget-radio-box label input {{ width: 20px; height: 20px; margin: 0 !important }} .fk .widget-radio, .fk .widget-radio-box {{ height: auto !important; width: 100% !important; max-width: none !important }}
.fk .fk-links a {{ display: inline-block; background: {TOGETHER}; color: #fff !important; font-weight: 700; font-size: 20px; padding: 14px 24px; border-radius: 8px; margin: 10px 16px 10px 0; text-decoration: none }}
.fk .widget-hprogress, .fk .progress {{ height: 16px !important }}
:lang(ja) .fk-finding, .fk :lang(ja) {{ line-break: strict; word-break: normal }}
</style>"""

MACRO = """{% macro tile(x, small=False) %}<div class="fk-tile fk-tone-{{ x.tone }}{{ ' fk-small' if small }}"><b>{{ x.value }}</b><span>{{ x.name }}</span>
{% if x.note %}<small>{{ x.note }}</small>{% endif %}</div>{% endmacro %}"""

PIECES: dict[str, str] = {
    "macro": MACRO,
    "head": """<div lang="{{ lang }}"><h1>{{ t(step ~ '.title') }}</h1><p class="fk-lead">{{ t(step ~ '.lead', rounds=rounds) if step == 'run' else t(step ~ '.lead') }}</p></div>""",
    "caveat": """<div class="fk-caveat" lang="{{ lang }}"><b>{{ t('caveat') }}:</b> {{ words }}</div>""",
    "lead": """<p class="fk-lead" lang="{{ lang }}">{{ words }}</p>""",
    "status": """<div class="fk-status{{ ' fk-bad' if bad }}" role="status">{{ words }}</div>""",
    "slider": """<div class="fk-slider" lang="{{ lang }}"><span>{{ name }}</span><b>{{ value }}</b></div>""",
    "tiles": """{% from 'macro' import tile %}<div class="fk-tiles" lang="{{ lang }}">{% for x in tiles %}{{ tile(x, True) }}{% endfor %}</div>""",
    "question": """{% from 'macro' import tile %}<div lang="{{ lang }}"><h1>{{ t('question.title') }}</h1><p class="fk-lead">{{ t('question.lead') }}</p>
<div class="fk-groups">{% for group in groups %}<div class="fk-group"><h2>{{ group.name }}</h2>
{% for name, kind, share, said in group.bars %}<div class="fk-bar"><span>{{ name }}</span><div><i class="fk-{{ kind }}" style="width:{{ '%.1f' % (100 * share) }}%"><b>{{ said }}</b></i></div></div>{% endfor %}
</div>{% endfor %}</div>
<p class="fk-finding">{{ finding }}</p>
<div class="fk-tiles">{% for x in tiles %}{{ tile(x) }}{% endfor %}</div>
<div class="fk-caveat"><b>{{ t('caveat') }}:</b> {{ t('question.caveat', test=test) }}</div></div>""",
    "who": """{% from 'macro' import tile %}<div lang="{{ lang }}"><h1>{{ t('who.title') }}</h1>
<div class="fk-tiles">{% for x in tiles %}{{ tile(x, True) }}{% endfor %}</div>
<p class="fk-lead">{{ t('who.lead') }}</p>
<table class="fk-who"><colgroup><col style="width:150px"></colgroup><thead><tr><th scope="row">{{ t('who.company') }}</th>{% for name in head %}<th scope="col">{{ name }}</th>{% endfor %}<th scope="col"><b>{{ t('who.total') }}</b></th></tr></thead>
<tbody>{% for row in rows %}<tr><th scope="row">{{ row.name }}</th>{% for n, shade, dark in row.cells %}<td style="background:rgba(0,84,138,{{ shade }});color:{{ '#fff' if dark else '#222' }}">{{ n }}</td>{% endfor %}<td><b>{{ row.total }}</b></td></tr>{% endfor %}</tbody></table>
<div class="fk-caveat"><b>{{ t('caveat') }}:</b> {{ t('who.caveat') }}</div></div>""",
    "what": """{% from 'macro' import tile %}<div lang="{{ lang }}"><h1>{{ t('what.title') }}</h1>
<div class="fk-tiles">{% for x in tiles %}{{ tile(x, True) }}{% endfor %}</div>
<p class="fk-finding fk-verdict-{{ verdict }}" role="status">{{ finding }}</p></div>""",
    "links": """<div class="fk-links" lang="{{ lang }}">{% for words, name, uri in files %}<a download="{{ name }}" href="{{ uri }}">{{ words }}</a>{% endfor %}
<p>{{ folder }}</p></div>""",
}
