"""The governance pack: from hand-made records, in both languages, with names that try to be more
than names.
"""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from dataclasses import replace

import pytest
from markupsafe import Markup

from fedkit.core.config import RunConfig
from fedkit.core.errors import FedkitError
from fedkit.core.files import read_packaged_text, read_packaged_words
from fedkit.core.record import ClientRecord, RoundRecord, Run
from fedkit.reports.governance.case import (
    applicable_risks,
    check_risks,
    document_values,
    make_case,
    name_risks,
)
from fedkit.reports.governance.docx import WIDE, column_widths, to_docx
from fedkit.reports.governance.markdown import (
    BLANK,
    Bullets,
    Document,
    Heading,
    Note,
    Table,
    Title,
    fill_template,
    make_environment,
    read_markdown,
    visible_text,
)
from fedkit.reports.governance.pack import DOCUMENTS, make_documents, write_pack

LANGS = ("en", "ja")
TEMPLATES = (*DOCUMENTS, "README", "common", "risks")
HOSTILE = (
    "[click](http://evil.example/x)",
    "<script>alert(1)</script>",
    "a|b|c",
    "# heading\n\n# another",
    "**bold** `code`",
    "![i](x)",
    "\u202egnp.exe",
    "nul\x00\x07",
    "www.evil.example",
    "mail@evil.example",
    "1. list",
    "- item",
    "{blank} {0.x}",
    "[ ... ](http://evil.example)",
    "]: http://evil.example",
    "&lt;b&gt;",
    "\\",
    "evil.example",
)


def texts(document: Document) -> list[str]:
    """Every text of a document in order."""
    out: list[str] = []
    for block in document.blocks:
        if isinstance(block, Bullets):
            out += block.items
        elif isinstance(block, Table):
            out += [cell for row in (block.head, *block.rows) for cell in row]
        else:
            out.append(block.text)
    return out


def made(
    config=None,
    result=None,
    clients=("bakery", "clinic", "hotel"),
    labels=("Money", "Roof"),
    finished=True,
) -> Run:
    """Two rounds, three clients; only the first holds the second label."""
    held = [{labels[0]: 61, labels[1]: 42}, {labels[0]: 77}, {labels[0]: 13}]
    sites = [{"id": c, "train": sum(h.values()), "labels": h} for c, h in zip(clients, held)]

    def one(number: int) -> RoundRecord:
        there = tuple(
            ClientRecord(
                c,
                examples=50,
                steps=4,
                train_seconds=40.0 + i,
                uplink_bytes=5_000 * (i + 1),
                downlink_bytes=7_000,
            )
            for i, c in enumerate(clients)
        )
        own = dict(zip(clients, (0.81, 0.64, 0.92)))
        return RoundRecord(number, 0.733, 0.5, 0.64, clients=there, client_accuracy=own)

    rounds = (one(1), one(2))
    done = {
        "accuracy": 0.733,
        "accuracy_ci95": [0.671, 0.787],
        "macro_f1": 0.705,
        "worst_client_accuracy": 0.64,
        "uplink_bytes": 60_000,
        "downlink_bytes": 42_000,
        "train_seconds": 246.0,
        "epsilon": None,
        "delta": None,
        "privacy_unit": None,
        "simulated_seconds": 9.0,
        **(result or {}),
    }
    return Run(
        "federated",
        RunConfig(tune="head", rounds=2, **(config or {})).to_dict(),
        {"fedkit": "0.1.0", "python": "3.11.7"},
        {
            "name": "desk",
            "sha256": "ab" * 32,
            "labels": list(labels),
            "train": 193,
            "validation": 21,
            "test": 225,
            "clients": sites,
        },
        {
            "name": "minilm",
            "source": "package",
            "sha256": "cd" * 32,
            "parameters": 1_234_567,
            "trainable": 770,
            "base_bytes": 88_000_000,
        },
        None,
        rounds if finished else rounds[:1],
        done if finished else {},
    )


PRIVATE = {
    "epsilon": 7.9,
    "delta": 1e-5,
    "privacy_unit": "example",
    "privacy": {"accountant": "pld", "trust": "nobody"},
}
KINDS = {
    "open": made(),
    "private": made({"privacy": "example:eps=8", "secure": "masks"}, PRIVATE),
    "client": made(
        {"privacy": "client:eps=8", "secure": "ckks"}, PRIVATE | {"privacy_unit": "client"}
    ),
    "unfinished": made(finished=False),
    "empty": replace(made(finished=False), rounds=()),
}


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_document_opens_with_the_mark_and_is_whole(kind, lang):
    mark = {"en": "not legal advice", "ja": "法的助言ではありません"}[lang]
    made_ones = make_documents([KINDS[kind]], lang)
    assert len(made_ones) == len(DOCUMENTS) == 7
    for document in made_ones:
        first, second = document.blocks[:2]
        assert isinstance(first, Title) and isinstance(second, Note) and mark in second.text
        assert sum(isinstance(b, Heading) for b in document.blocks) >= 4
        assert all(
            len(row) == len(b.head)
            for b in document.blocks
            if isinstance(b, Table)
            for row in b.rows
        )
        assert all(text.strip() for text in texts(document)) and not any(
            re.search(r"\{\w+\}", t) for t in texts(document)
        )
        unfinished = {"en": "has not finished", "ja": "完了していません"}[lang]
        assert any(unfinished in t for t in texts(document)) == (kind in ("unfinished", "empty"))


def test_both_languages_have_the_same_keys_lines_and_places():
    def shape(line):
        bare = re.sub(r'(?<!== )"[^"]*"', "", line)  # without words, but with what is compared
        return (
            re.match(r"#+ |- |> |\| |", line)[0],
            re.findall(r'^ +"([\w-]+)":', line),
            re.findall(r"{%.*?%}", bare),
            [sorted(re.findall(r"{{.*?}}", cell)) for cell in re.split(r" \| (?![^{]*}})", bare)],
        )

    for name in TEMPLATES:
        en, ja = (
            read_packaged_text("fedkit.reports.governance", f"templates/{name}.{lang}.md.j2")
            for lang in LANGS
        )
        assert len(en.splitlines()) == len(ja.splitlines()), name
        for number, (line, other) in enumerate(zip(en.splitlines(), ja.splitlines()), 1):
            assert shape(line) == shape(other), (name, number)
    words = [
        read_packaged_words("fedkit.reports.text", f"governance_{lang}.toml") for lang in LANGS
    ]
    assert words[0].keys() == words[1].keys()


def test_japanese_is_japanese():
    names = ("adapter_model.safetensors", "MIT", "Model Cards")
    for document in make_documents([KINDS["private"]], "ja"):
        ours = [t for t in texts(document) if len(t) > 25 and not re.fullmatch(r"[\x00-\x7f]+", t)]
        plain = [t for t in texts(document) if len(t) > 25 and t not in ours]
        assert all(
            re.fullmatch(r"[0-9a-f]{64}|fedkit run .*", t) or t.startswith(names) for t in plain
        ), plain


def test_every_number_comes_from_the_record():
    allowed = {  # as recorded, or the sum of what is recorded
        "2",
        "3",
        "1",
        "193",
        "21",
        "225",
        "61",
        "42",
        "77",
        "13",
        "103",
        "151",
        "73.3",
        "67.1",
        "78.7",
        "70.5",
        "64.0",
        "81.0",
        "92.0",
        "1,234,567",
        "770",
        "88",
        "20",
        "14",
        "60",
        "10",
        "30",
        "0",
        "24",
        "34",
        "44",
        "246",
        "166",
        "164",
        "162",
        "4.1",
        "2.8",
        "2.7",
        "78",
        "68",
        "58",
        "80",
        "82",
        "84",
    }
    # of laws, papers, intervals, documents and clauses
    ours = {"35", "2019", "95", "1", "2", "3", "4", "5", "6", "7"}
    for lang in LANGS:
        for document in make_documents([KINDS["open"]], lang):
            heads = {b.text for b in document.blocks if isinstance(b, Heading)}
            # numbers of risks
            rows = {row[0] for b in document.blocks if isinstance(b, Table) for row in b.rows}
            for text in (t for t in texts(document) if t not in heads | rows):
                text = re.sub(
                    r"[0-9a-f]{64}|F1|\d+\.\d+\.\d+|SHA-?256|sha256|fedkit run.*", "", text
                )
                numbers = set(re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", text))
                assert numbers <= allowed | ours, (document.name, text)


def test_who_leaves_takes_its_label_and_the_others_pay():
    leaving = make_documents([KINDS["open"]], "en")[3]
    rows = next(b.rows for b in leaving.blocks if isinstance(b, Table) and b.rows[0][0] == "bakery")
    # 2 * (41 + 42) s; 2 * (10 + 15 + 2 * 7) kB
    assert rows[0] == ("bakery", "103", "Roof", "166\u00a0s", "78\u00a0kB")
    assert rows[1][2] == "\u2013"


def test_risks_follow_the_record():
    risks = {name: set(applicable_risks(make_case([run], "en"))) for name, run in KINDS.items()}
    assert {
        "no_noise",
        "open_updates",
        "single_label",
        "worst",
        "small_test",
        "one_seed",
        "uneven_sizes",
        "unproved",
    } <= risks["open"]
    assert {"noise_limits", "seeded_noise", "masks"} <= risks[
        "private"
    ] and "no_noise" not in risks["private"]
    assert "key_holder" in risks["client"] and "masks" not in risks["client"]
    assert "unfinished" in risks["unfinished"] and "unfinished" not in risks["open"]
    assert "no_hash" in applicable_risks(
        make_case([replace(made(), model=made().model | {"sha256": None})], "ja")
    )
    lost = replace(
        made().rounds[1], clients=(ClientRecord("bakery", status="lost", reason="line"),)
    )
    assert "failed" in applicable_risks(
        make_case([replace(made(), rounds=(made().rounds[0], lost))], "en")
    )
    for lang in LANGS:
        case = make_case([made()], lang)
        named = name_risks(lang, document_values(case))
        assert set(check_risks(case)) == set(named)
        assert all(all(risk.values()) and len(risk) == 3 for risk in named.values())


@pytest.mark.slow
@pytest.mark.parametrize("lang", LANGS)
def test_hostile_names_stay_names(lang):
    from docx import Document as opened
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    for place in range(0, len(HOSTILE), 3):
        sites, labels = HOSTILE[place : place + 3], (HOSTILE[-1 - place] + " x", HOSTILE[place])
        run = made(clients=sites, labels=labels)
        run = replace(
            run,
            data=run.data
            | {"name": sites[0], "sha256": sites[1], "notes": [*HOSTILE, "half \ud800"]},
        )
        run = replace(
            run,
            model=run.model | {"name": sites[2], "source": sites[1]},
            config=run.config | {"tune": sites[0]},
        )
        for hostile, plain in zip(make_documents([run], lang), make_documents([made()], lang)):
            tokens = [
                *(tokens := parser.parse(hostile.markdown)),
                *(c for t in tokens for c in t.children or []),
            ]
            kinds = {t.type for t in tokens}
            assert not kinds & {
                "link_open",
                "html_inline",
                "html_block",
                "image",
                "em_open",
                "code_inline",
                "hr",
            }, hostile.name
            counted = [
                sum(t.type == "heading_open" for t in parser.parse(d.markdown))
                for d in (hostile, plain)
            ]
            # the notes have a heading
            assert counted[0] == counted[1] + (hostile.name == "07_model_card")
            rows = [len(t.map) for t in tokens if t.type == "tr_open"]
            assert len(rows) == sum(1 + len(b.rows) for b in hostile.blocks if isinstance(b, Table))
            cells = sum(t.type in ("td_open", "th_open") for t in tokens)
            assert cells == sum(
                len(b.head) * (1 + len(b.rows)) for b in hostile.blocks if isinstance(b, Table)
            )
            # code is shown as it is
            told = re.sub(r"^fedkit run .*$", "", hostile.markdown, flags=re.M)
            assert (
                not re.search(r"[\u202a-\u202e\u2066-\u2069\x00-\x08]", told)
                and "://evil" not in told
            )
            assert "www.evil" not in told and "mail@evil" not in told and "evil.example" not in told
            opened(io.BytesIO(to_docx(hostile)))


def test_markdown_shows_exactly_the_text():
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table")
    alone = make_environment("en").from_string("{{ text }}")
    for text in (
        *HOSTILE,
        "3. [ ... ]: x",
        "[ ... ](x)",
        "1) a",
        "+ a",
        "= a",
        "~~a~~",
        "0.6.0",
        "a_b_c",
    ):
        shown = fill_template(alone, {"text": text})
        assert [block.text for block in read_markdown(shown)] == [visible_text(text)]
        inline = [t for t in parser.parse(shown) if t.type == "inline"]
        assert "".join(c.content for t in inline for c in t.children).replace(
            "\u2060", ""
        ) == visible_text(text)
        assert [t.type for t in parser.parse(shown)] == [
            "paragraph_open",
            "inline",
            "paragraph_close",
        ], text
    assert (
        fill_template(alone, {"text": "0.6.0 of adapter_model.safetensors"})
        == "0.6.0 of adapter\\_model.safetensors\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("lang", LANGS)
def test_word_files_open_with_headings_numbers_and_marked_blanks(lang):
    from docx import Document as opened
    from docx.oxml.ns import qn

    day = datetime.date(2026, 4, 1)
    for document in make_documents([KINDS["open"]], lang, day):
        body = to_docx(document)
        assert body == to_docx(document)
        word = opened(io.BytesIO(body))
        heads = [p.text for p in word.paragraphs if p.style.name.startswith("Heading")]
        assert heads == [b.text for b in document.blocks if isinstance(b, Heading)]
        assert (
            word.core_properties.title == document.title
            and word.core_properties.created.date() == day
        )
        assert {i.date_time for i in zipfile.ZipFile(io.BytesIO(body)).infolist()} == {
            (1980, 1, 1, 0, 0, 0)
        }
        foot = word.sections[0].footer._element
        assert [e.text for e in foot.iter(qn("w:instrText"))] == ["PAGE", "NUMPAGES"]
        fonts = word.styles["Heading 1"].element.rPr.rFonts
        assert fonts.get(qn("w:eastAsia")) == {"en": "Yu Gothic", "ja": "游ゴシック"}[lang]
        assert fonts.get(qn("w:eastAsiaTheme")) is None
        runs = [
            r
            for r in word.element.body.iter(qn("w:r"))
            if any(BLANK[lang] == t.text for t in r.iter(qn("w:t")))
        ]
        assert runs and all(
            next(r.iter(qn("w:highlight"))).get(qn("w:val")) == "yellow" for r in runs
        )
        written = sum(text.count(BLANK[lang]) for text in texts(document))
        assert written == len(runs) == document.markdown.count(BLANK[lang])


def test_columns_are_as_wide_as_their_text_asks_and_fill_the_page():
    wide = column_widths(
        Table(
            ("No.", "Risk", "Measure"), (("1", "short", "a long sentence about what to do, " * 3),)
        )
    )
    assert sum(wide) == pytest.approx(WIDE) and wide[0] < wide[1] < wide[2] and wide[0] > 1.0
    assert sum(column_widths(Table(("responsibility",) * 9, ()))) == pytest.approx(WIDE)


def test_what_people_write_around_a_blank_stays_text():
    for text in ("{{ blank }}(see annex)", "{{ blank }}: by whom", "- {{ blank }}: by whom"):
        made_one = fill_template(
            make_environment("en").from_string(text), {"blank": Markup(BLANK["en"])}
        )
        said = text.replace("{{ blank }}", BLANK["en"]).removeprefix("- ")
        assert texts(Document("x", "en", made_one)) == [said]
    code = make_environment("en").from_string("{{ text | code }}")
    assert fill_template(code, {"text": "a [ ... ](b)"}) == "```\na [ ... ](b)\n```\n"


def test_a_template_that_word_cannot_show_is_refused_in_one_line():
    with pytest.raises(FedkitError, match="ordered_list") as error:
        read_markdown("# Title\n\n1. one\n2. two\n")
    assert "\n" not in str(error.value)


def test_without_a_date_no_time_is_written():
    body = to_docx(make_documents([KINDS["open"]], "en")[0])
    core = zipfile.ZipFile(io.BytesIO(body)).read("docProps/core.xml").decode()
    assert "created" not in core and "modified" not in core


def test_baselines_stand_beside_the_run_in_the_model_card():
    local = replace(
        made(), method="local", result={"accuracy": 0.512, "accuracy_ci95": [0.447, 0.577]}
    )
    rows = [
        row
        for b in make_documents([made(), local], "ja")[6].blocks
        if isinstance(b, Table)
        for row in b.rows
    ]
    assert ("単独学習", "head", "51.2%", "44.7%〜57.7%") in rows
    assert any(
        "ベースラインの記録が与えられていない" in t
        for t in texts(make_documents([made()], "ja")[6])
    )


@pytest.mark.slow
def test_the_pack_is_written_again_but_never_over_what_people_changed(tmp_path):
    paths = write_pack([made()], tmp_path, "ja")
    assert [p.name for p in paths[:3]] == ["README.md", "01_terms.md", "01_terms.docx"] and len(
        paths
    ) == 15
    assert {p.parent for p in paths} == {tmp_path / "governance.ja"} and all(
        p.is_file() for p in paths
    )
    before = paths[2].read_bytes()
    write_pack([made()], tmp_path, "ja")
    assert paths[2].read_bytes() == before and not list(tmp_path.rglob("*.tmp"))
    write_pack([made(finished=False)], tmp_path, "ja")
    assert paths[2].read_bytes() != before
    paths[1].write_text("edited", encoding="utf-8")
    with pytest.raises(FedkitError, match=r"01_terms\.md was changed"):
        write_pack([made()], tmp_path, "ja")
    assert paths[1].read_text(encoding="utf-8") == "edited"


@pytest.mark.slow
def test_the_pack_follows_no_link_and_spares_foreign_files(tmp_path):
    away = tmp_path / "away"
    away.mkdir()
    (tmp_path / "governance.en").symlink_to(away)
    with pytest.raises(FedkitError, match="not a folder of its own"):
        write_pack([made()], tmp_path, "en")
    assert not list(away.iterdir())
    (tmp_path / "governance.ja").mkdir()
    (tmp_path / "governance.ja" / "README.md").write_text("mine", encoding="utf-8")
    with pytest.raises(FedkitError, match=r"README\.md was changed"):
        write_pack([made()], tmp_path, "ja")


def test_what_cannot_be_told_is_refused_in_one_line():
    for records, lang in (([made()], "fr"), ([replace(made(), method="local")], "en"), ([], "en")):
        with pytest.raises(FedkitError) as error:
            make_documents(records, lang)
        assert "\n" not in str(error.value)


def test_settings_of_another_version_give_no_command():
    run = replace(made(finished=False), config=made().config | {"from_tomorrow": 1})
    assert any("no command line" in t for t in texts(make_documents([run], "en")[6]))


def test_many_members_are_cut_and_said():
    run = made()
    sites = [{"id": f"s{i}", "train": 5, "labels": {"Money": 5}} for i in range(230)]
    told = make_documents([replace(run, data=run.data | {"clients": sites})], "en")[0]
    assert any("230 in all" in t for t in texts(told))
    assert max(len(b.rows) for b in told.blocks if isinstance(b, Table)) == 200


def test_lists_in_words_are_short_enough_to_read():
    for lang in LANGS:
        items = [
            i
            for d in make_documents([KINDS["open"]], lang)
            for b in d.blocks
            if isinstance(b, Bullets)
            for i in b.items
        ]
        assert max(map(len, items)) < 400
