"""How the two messy files in data/messy were made: rows of our own bundled sets, with faults
planted on purpose.

    python tests/factories/messy_files.py [FOLDER]

writes branch_reports.xlsx and shiten_houkoku.csv.

The same seed gives the same cells. Everything that looks like personal data is made up: reserved
telephone numbers and domains, the test number of a card network, the sample number in the
ministry's own leaflets.
"""

from __future__ import annotations

import csv
import datetime
import random
import sys
from collections import Counter
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "data"
BRANCHES = {
    "bakery": "Mill Lane",
    "clinic": "Riverside",
    "freight": "Harbour",
    "hotel": "Old Town",
    "insurer": "Northgate",
    "machine_works": "Station Road",
}
SHITEN = {
    "bakery": "麦畑支店",
    "clinic": "川辺支店",
    "freight": "港南支店",
    "hotel": "旧市街支店",
    "insurer": "北門支店",
    "machine_works": "駅前支店",
}
Row = list[str]  # text, label, client

ENGLISH = {
    "personal": [
        "Please call me back on +44 20 7946 0123.",
        "My address for the answer is anna.kern@example.com.",
        "The guest paid with card 4111 1111 1111 1111.",
        "Mr Smith asked about it again.",
        "Send it to 12 Baker Street, London NW1 6XE.",
        "Dear Ms Jones, as agreed.",
    ],
    "blank": ["-", "n/a", "…", "　", "?"],
    "foreign": [
        "冷蔵庫の温度が上がっています。至急確認をお願いします。",
        "請求書の金額が見積もりと違います。",
        "裏口の鍵が閉まりません。",
        "新しいパソコンのパスワードを忘れました。",
    ],
    "markup": "<p>{}</p><br>",
    "damaged": ("’", "â€™"),
    "spellings": {
        "IT help desk": ["ＩＴ help desk", "it help desk", "IT Help Desk"],
        "Facilities": ["Facilities ", "facilities"],
        "HR and payroll": ["HR and  payroll", "Hr and Payroll"],
        "Quality": ["ｑuality", "QUALITY"],
    },
    "rare": "Misc",
    "formula": '=HYPERLINK("http://example.invalid","open")',
}
JAPANESE = {
    "personal": [
        "折り返しは090-0000-0000までお願いします。",
        "連絡先は taro.yamada@example.jp です。",
        "カード番号は4111-1111-1111-1111でした。",
        "佐藤様より再度お問い合わせあり。",
        "住所は〒100-0000 東京都千代田区丸の内9-9-9です。",
        "マイナンバー 1234 5678 9018 が記載されていました。",
    ],
    "blank": ["－", "なし", "…", "　", "？"],
    "foreign": [
        "The scanner at gate two does not start.",
        "Invoice 4471 was paid twice, please check.",
    ],
    "markup": "<div>{}</div>",
    "damaged": ("が", "縺�".replace("�", "?")),
    "spellings": {
        "ITヘルプデスク": ["ＩＴヘルプデスク", "ITﾍﾙﾌﾟﾃﾞｽｸ", "IT ヘルプデスク"],
        "経理": ["経理 ", "　経理"],
        "設備修理": ["設備修理　"],
        "品質管理": ["品質 管理"],
    },
    "rare": "その他",
    "formula": "=1+1",
}


def source(name: str, clients: dict[str, str], rng: random.Random, number: int) -> list[Row]:
    """`number` rows of a bundled set's training and validation data, its companies under other
    names.
    """
    rows = []
    for split in ("train", "validation"):
        with open(DATA / name / f"{split}.csv", encoding="utf-8", newline="") as file:
            rows += [[r["text"], r["label"], clients[r["company"]]] for r in csv.DictReader(file)]
    return rng.sample(rows, min(number, len(rows)))


def planted(rows: list[Row], words: dict, rng: random.Random) -> tuple[list[Row], Counter]:
    """The rows with faults, in an order of chance; how many of each kind were planted."""
    rows, said = [list(row) for row in rows], Counter()
    free = list(range(len(rows)))
    rng.shuffle(free)

    def some(kind: str, number: int) -> list[Row]:
        said[kind] += number
        return [rows[free.pop()] for _ in range(number)]

    for i, row in enumerate(some("personal data", 18)):
        row[0] = f"{row[0]} {words['personal'][i % len(words['personal'])]}"
    for i, row in enumerate(some("blank text", 5)):
        row[0] = words["blank"][i]
    for row in some("missing text", 7):
        row[0] = ""
    for row in some("missing label", 8):
        row[1] = ""
    for row in some("missing branch", 5):
        row[2] = ""
    for row in some("markup", 6):
        row[0] = words["markup"].format(row[0])
    for i, row in enumerate(some("another language", len(words["foreign"]))):
        row[0] = words["foreign"][i]
    for row in some("rare label", 2):
        row[1] = words["rare"]
    for row in some("formula", 1):
        row[0] = words["formula"]
    for row in some("very long text", 2):
        row[0] = " ".join([row[0]] * 40)
    for row in some("damaged letters", 6):
        old, new = words["damaged"]
        row[0] = (
            row[0].replace(old, new).replace("'", new)
            if old in row[0] or "'" in row[0]
            else f"{row[0]} {new}{new}{new}"
        )
    labels = sorted({row[1] for row in rows if row[1]})
    for row in some("wrong label", 14):
        row[1] = labels[(labels.index(row[1]) + len(labels) // 2) % len(labels)]
    for name, others in words["spellings"].items():
        for i, row in enumerate(
            [r for j, r in enumerate(rows) if r[1] == name and j in set(free)][:12]
        ):
            row[1] = others[i % len(others)]
            said["label spelled otherwise"] += 1
    extra = []
    for row in some("exact duplicate", 22):
        extra.append(list(row))
    for row in some("near duplicate", 12):
        extra.append([f"{row[0].rstrip('.。')} !!", row[1], row[2]])
    for row in some("same text at another branch", 8):
        others = sorted({r[2] for r in rows if r[2]} - {row[2]})
        extra.append([row[0], row[1], rng.choice(others)])
    for row in some("same text, another label", 6):
        extra.append([row[0], rng.choice([name for name in labels if name != row[1]]), row[2]])
    rows += extra
    rng.shuffle(rows)
    return rows, said


def dates(number: int, rng: random.Random) -> list[datetime.date]:
    return sorted(
        datetime.date(2026, 1, 5) + datetime.timedelta(days=rng.randrange(170))
        for _ in range(number)
    )


def write_excel(folder: Path) -> Counter:
    """A workbook with a title, a header of two rows with merged cells, a hidden sheet first, and a
    line of totals.
    """
    from openpyxl import Workbook
    from openpyxl.styles import Font

    rng = random.Random(20260405)
    rows, said = planted(source("service_desk", BRANCHES, rng, 1150), ENGLISH, rng)
    book = Workbook()
    old, sheet, lists = book.active, book.create_sheet("Reports"), book.create_sheet("Lists")
    old.title, old.sheet_state = "old 2024", "hidden"
    old.append(["text", "team"])
    old.append(["This sheet is hidden and must not be read.", "Nobody"])
    sheet["A1"], sheet["A1"].font = (
        "Service reports of all branches, first half of the year",
        Font(bold=True, size=14),
    )
    sheet.merge_cells("A1:E1")
    sheet["A3"], sheet["D3"] = "Report", "Handling"
    sheet.merge_cells("A3:C3"), sheet.merge_cells("D3:E3")
    for column, name in enumerate(("No.", "Received", "Text", "Branch", "Team"), start=1):
        sheet.cell(4, column, name).font = Font(bold=True)
    for number, (row, day) in enumerate(zip(rows, dates(len(rows), rng)), start=1):
        sheet.append([f"R-{number:04d}", day, row[0] or None, row[2] or None, row[1] or None])
    sheet.append([])
    sheet.append(["Total", None, f"{len(rows)} reports"])
    sheet.column_dimensions["C"].width = 90
    lists.append(["Team"])
    for name in sorted({row[1] for row in rows if row[1]}):
        lists.append([name])
    book.save(folder / "branch_reports.xlsx")
    return said


def write_csv(folder: Path) -> Counter:
    """A CSV file as Excel writes it in Japan: cp932, line ends of Windows, headings in Japanese."""
    rng = random.Random(20260406)
    rows, said = planted(source("service_desk_ja", SHITEN, rng, 700), JAPANESE, rng)
    with open(
        folder / "shiten_houkoku.csv", "w", encoding="cp932", errors="replace", newline=""
    ) as file:
        out = csv.writer(file, lineterminator="\r\n")
        out.writerow(["受付番号", "受付日", "支店", "報告内容", "担当部署"])
        for number, (row, day) in enumerate(zip(rows, dates(len(rows), rng)), start=1):
            out.writerow([f"№{number:04d}", f"{day:%Y/%m/%d}", row[2], row[0], row[1]])
    return said


def main(folder: Path = DATA / "messy") -> dict[str, Counter]:
    return {"branch_reports.xlsx": write_excel(folder), "shiten_houkoku.csv": write_csv(folder)}


if __name__ == "__main__":
    for name, said in main(*map(Path, sys.argv[1:2])).items():
        print(name, dict(said))
