"""What the check of data finds, and what it costs.

python tests/bench/quality.py --rows 1000000    a file made up on the spot, checked end to end: wall
time, peak memory python tests/bench/quality.py --faults          every kind of fault planted at
five sizes: found, missed, false alarms
python tests/bench/quality.py --bombs           files that unpack to gigabytes: seconds, memory
    --sizes 100,300     other sizes        --only near-leakage     one fault        --slow     also
    suspicious labels

A fault counts as found when its finding is there and lists at least 90 % of the planted rows. A
false alarm is a finding on a clean file of the same size that asks for care (few-examples aside: at
the small sizes that is the truth).
"""

from __future__ import annotations

import argparse
import csv
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

SIZES = (100, 300, 1_000, 3_000, 10_000)
THINGS = {
    "printing": (
        "printer toner tray cartridge label-roll drum copier plotter paper-feed scanner stapler"
        " envelope-feeder"
    ),
    "network": (
        "router switch cable wifi antenna firewall modem socket bridge repeater gateway patch-panel"
    ),
    "payroll": (
        "salary bonus overtime payslip allowance deduction pension advance commission holiday-pay"
        " tax-code refund"
    ),
    "transport": (
        "truck pallet forklift trailer crate ramp van container loading-bay tyre parcel"
        " customs-form"
    ),
    "buildings": (
        "door window roof elevator staircase ceiling carpet heater radiator lamp blind fire-exit"
    ),
    "kitchen": (
        "oven fridge kettle dishwasher sink freezer toaster grill mixer coffee-machine ladle"
        " hot-plate"
    ),
    "safety": (
        "helmet extinguisher alarm siren gloves goggles eyewash harness first-aid-box ladder"
        " smoke-detector vest"
    ),
    "software": (
        "spreadsheet browser database plugin update installer backup calendar mailbox template"
        " driver macro"
    ),
    "garden": "hedge lawn fountain pond gate fence bench mower path greenhouse sprinkler flowerbed",
    "security": (
        "badge camera turnstile key padlock gatehouse visitor-pass barrier reader safe patrol-log"
        " intercom"
    ),
    "purchasing": (
        "invoice quotation supplier order catalogue discount receipt contract budget voucher"
        " delivery-note tender"
    ),
    "training": (
        "course seminar trainer certificate workbook exam lecture webinar handout attendance-list"
        " quiz mentor"
    ),
}
WHO = (
    "the morning shift",
    "a new colleague",
    "our team leader",
    "the night porter",
    "an apprentice",
    "the front desk",
    "a visitor",
    "someone from accounts",
    "the cleaning crew",
    "the site manager",
    "a contractor",
    "two engineers",
    "the welders",
    "our supplier",
    "the receptionist",
    "my deputy",
    "the canteen staff",
    "an auditor",
    "the driver",
    "the painters",
    "a customer",
    "the planner",
    "an intern",
    "the foreman",
)
DID = (
    "noticed that",
    "complained that",
    "told us",
    "reported again that",
    "is worried because",
    "wrote down that",
    "asked for help since",
    "found out that",
    "keeps saying that",
    "mentioned at lunch that",
    "says that",
    "sent a photo showing that",
    "left a message that",
    "was upset because",
    "insists that",
    "suspects that",
)
STATE = (
    "no longer works",
    "makes a strange noise",
    "is missing",
    "was delivered twice",
    "looks damaged",
    "needs replacing",
    "cannot be found",
    "smells burnt",
    "is far too old",
    "has been blocked",
    "went wrong",
    "leaks",
    "is stuck",
    "is out of date",
    "was mixed up",
    "got lost on the way",
    "does not fit",
    "is broken in two",
    "came back empty",
    "stopped without warning",
    "is covered in dust",
    "keeps failing",
    "was never approved",
    "is too slow",
)
WHERE = (
    "in the basement",
    "near the east wing",
    "on the third floor",
    "behind the warehouse",
    "at the main entrance",
    "beside the workshop",
    "in hall seven",
    "next to the lift",
    "under the stairs",
    "in the annex",
    "at the depot",
    "by the car park",
    "in the old laboratory",
    "opposite the canteen",
    "on the roof terrace",
    "in the meeting room",
    "at the loading dock",
    "in the archive",
    "by the river gate",
    "in the paint shop",
    "along the corridor",
)
WHEN = (
    "since Monday",
    "after the storm",
    "for the second time",
    "every evening",
    "before the audit",
    "without any reason",
    "during the break",
    "when it rains",
    "after the move",
    "as soon as it gets cold",
    "since the last inspection",
    "right after lunch",
    "at weekends",
    "from time to time",
    "since we changed rooms",
    "whenever it is busy",
    "twice this month",
    "after the power cut",
    "on the first day",
    "since spring",
)
PLACES = (
    "Ash",
    "Birch",
    "Cedar",
    "Dogwood",
    "Elm",
    "Fir",
    "Gorse",
    "Hazel",
    "Ivy",
    "Juniper",
    "Kapok",
    "Larch",
    "Maple",
    "Nutmeg",
    "Oak",
    "Pine",
    "Quince",
    "Rowan",
    "Spruce",
    "Teak",
)

Row = list[str]  # text, label, client


def clean_rows(number: int, seed: int = 0) -> list[Row]:
    """Different made-up reports of about 90 characters; labels and clients as many as the number of
    rows can carry.
    """
    rng = np.random.default_rng(seed)
    labels = list(THINGS)[: int(np.clip(number // 30, 2, 12))]
    clients = PLACES[: int(np.clip(number // 40, 2, 20))]
    parts = [np.array(words, dtype=object) for words in (WHO, DID, STATE, WHERE, WHEN)]
    things = {
        label: [thing.replace("-", " ") for thing in THINGS[label].split()] for label in labels
    }
    seen, rows = set(), []
    while len(rows) < number:
        left = number - len(rows)
        picks = [part[rng.integers(0, len(part), left)] for part in parts]
        which, extra = rng.integers(0, len(labels), left), rng.integers(0, 12, (left, 2))
        whose = rng.integers(0, len(clients), left)
        for who, did, state, where, when, k, e, c in zip(*picks, which, extra, whose):
            one, other = things[labels[k]][e[0]], things[labels[k]][e[1]]
            text = f"{who} {did} the {one} {state} {where} {when}, and the {other} too"
            if text not in seen:
                seen.add(text)
                rows.append([text[0].upper() + text[1:], labels[k], clients[c]])
    return rows


def slip(text: str, rng: np.random.Generator) -> str:
    """The text with one letter swapped with the next."""
    at = int(rng.integers(2, len(text) - 3))
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def change(make: Callable[[Row, np.random.Generator], Row]) -> Callable:
    """A fault that changes some rows in place; the rows changed are those planted."""

    def plant(rows: list[Row], at: list[int], rng: np.random.Generator) -> list[int]:
        for i in at:
            rows[i] = make(list(rows[i]), rng)
        return at

    return plant


def text(make: Callable[[str, np.random.Generator], str]) -> Callable:
    return change(lambda row, rng: [make(row[0], rng), *row[1:]])


def label(make: Callable[[str], str]) -> Callable:
    """A fault in the labels of rows that all have the first row's label."""

    def plant(rows: list[Row], at: list[int], rng: np.random.Generator) -> list[int]:
        name = rows[0][1]
        mine = [i for i, row in enumerate(rows) if row[1] == name]
        mine = mine[1 : 1 + max(1, len(mine) // 15)]
        for i in mine:
            rows[i][1] = make(name)
        return mine

    return plant


def client(make: Callable[[str], str]) -> Callable:
    def plant(rows: list[Row], at: list[int], rng: np.random.Generator) -> list[int]:
        name = rows[0][2]
        mine = [i for i, row in enumerate(rows) if row[2] == name]
        mine = mine[1 : 1 + max(1, len(mine) // 4)]
        for i in mine:
            rows[i][2] = make(name)
        return mine

    return plant


def again(make: Callable[[Row, Row, np.random.Generator], Row]) -> Callable:
    """A fault that repeats rows at the end of the file (in a folder: in test), in some way."""

    def plant(rows: list[Row], at: list[int], rng: np.random.Generator) -> list[int]:
        ends = list(range(len(rows) - len(at), len(rows)))
        early = rng.choice(int(0.7 * len(rows)), len(at), replace=False)
        for i, j in zip(ends, early):
            rows[i] = make(list(rows[j]), rows[i], rng)
        return ends

    return plant


def elsewhere(row: Row, rows_client: str) -> str:
    return (
        next(place for place in PLACES if place not in (row[2], rows_client))
        if row[2] == rows_client
        else rows_client
    )


def everywhere(make: Callable[[list[Row], np.random.Generator], None]) -> Callable:
    """A fault of the whole file: no row of its own."""

    def plant(rows: list[Row], at: list[int], rng: np.random.Generator) -> list[int]:
        make(rows, rng)
        return []

    return plant


def _told(rows: list[Row], rng: np.random.Generator) -> None:
    for row in rows:
        row[0] = f"[{row[1]}] {row[0]}" if row[1] == rows[0][1] else row[0]


def _set(column: int, value: Callable[[Row, int, np.random.Generator], str]) -> Callable:
    def make(rows: list[Row], rng: np.random.Generator) -> None:
        for i, row in enumerate(rows):
            row[column] = value(row, i, rng)

    return everywhere(make)


def _skew(row: Row, i: int, rng: np.random.Generator) -> str:
    """A client that has its own labels: which is decided by the label."""
    return PLACES[list(THINGS).index(row[1]) % 2] if rng.random() < 0.97 else row[2]


def _rare(rows: list[Row], at: list[int], rng: np.random.Generator) -> list[int]:
    for i in at[:3]:
        rows[i][1] = "beekeeping"
    return at[:3]


def _tiny(rows: list[Row], at: list[int], rng: np.random.Generator) -> list[int]:
    for i in at[:3]:
        rows[i][2] = "Zelkova"
    return at[:3]


def _unseen(rows: list[Row], at: list[int], rng: np.random.Generator) -> list[int]:
    for i in range(len(rows) - 3, len(rows)):
        rows[i][1] = "beekeeping"
    return list(range(len(rows) - 3, len(rows)))


def _alone(rows: list[Row], at: list[int], rng: np.random.Generator) -> list[int]:
    for row in rows:
        row[1] = row[1] if row[2] != rows[0][2] else rows[0][1]
    return []


def _wrong(rows: list[Row], at: list[int], rng: np.random.Generator) -> list[int]:
    names = sorted({row[1] for row in rows})
    for i in at:
        rows[i][1] = names[(names.index(rows[i][1]) + 1) % len(names)]
    return at


def _conflict(old: Row, new: Row, rng: np.random.Generator) -> Row:
    return [old[0], next(name for name in THINGS if name != old[1]), old[2]]


# kind -> (the finding that must say it, how it is planted, whether in a folder with train and test)
FAULTS: dict[str, tuple[str, Callable, bool]] = {
    "no text": ("missing-text", text(lambda t, rng: ""), False),
    "no label": ("missing-label", change(lambda r, rng: [r[0], "", r[2]]), False),
    "no client": ("missing-client", change(lambda r, rng: [r[0], r[1], ""]), False),
    "invisible text": ("blank-text", text(lambda t, rng: "\u200b \u3000"), False),
    "text of dots": ("blank-text", text(lambda t, rng: "..."), False),
    "N/A as text": ("blank-text", text(lambda t, rng: "N/A"), False),
    "N/A as label": ("placeholder-labels", change(lambda r, rng: [r[0], "N/A", r[2]]), False),
    "number as text": (
        "constant-text",
        text(lambda t, rng: str(rng.integers(10_000, 9_999_999))),
        False,
    ),
    "one word": ("constant-text", text(lambda t, rng: t.split()[-4]), False),
    "row twice": ("exact-duplicates", again(lambda old, new, rng: old), False),
    "text at two clients": (
        "duplicates-across-clients",
        again(lambda o, n, rng: [o[0], o[1], elsewhere(o, n[2])]),
        False,
    ),
    "test text in train": ("leakage", again(lambda old, new, rng: old), True),
    "near copy": ("near-duplicates", again(lambda o, n, rng: [slip(o[0], rng), *o[1:]]), False),
    "copy in capitals": ("near-duplicates", again(lambda o, n, rng: [o[0].upper(), *o[1:]]), False),
    "copy with a word more": (
        "near-duplicates",
        again(lambda o, n, rng: [o[0] + " today", *o[1:]]),
        False,
    ),
    "near copy elsewhere": (
        "near-duplicates-across-clients",
        again(lambda o, n, rng: [slip(o[0], rng), o[1], elsewhere(o, n[2])]),
        False,
    ),
    "near copy in test": ("near-leakage", again(lambda o, n, rng: [slip(o[0], rng), *o[1:]]), True),
    "two labels for a text": ("conflicting-labels", again(_conflict), False),
    "rare label": ("rare-labels", _rare, False),
    "one label": ("single-label", _set(1, lambda r, i, rng: "printing"), False),
    "a label per row": ("too-many-labels", _set(1, lambda r, i, rng: f"case {i} {r[1]}"), False),
    "label in test only": ("unseen-labels", _unseen, True),
    "one label on nine in ten": (
        "imbalance",
        _set(1, lambda r, i, rng: r[1] if rng.random() < 0.1 else "printing"),
        False,
    ),
    "label in its texts": ("label-in-text", everywhere(_told), False),
    "label in capitals": ("label-spellings", label(str.upper), False),
    "label in full width": (
        "label-spellings",
        label(lambda n: "".join(chr(ord(c) + 0xFEE0) for c in n)),
        False,
    ),
    "label with a look-alike": (
        "label-spellings",
        label(lambda n: n.replace("a", "а", 1).replace("i", "і", 1).replace("o", "о", 1)),
        False,
    ),
    "label with a typo": ("label-spellings", label(lambda n: n[:3] + n[4] + n[3] + n[5:]), False),
    "client in capitals": ("client-spellings", client(str.upper), False),
    "tiny client": ("tiny-clients", _tiny, False),
    "clients with own labels": ("label-skew", _set(2, _skew), False),
    "client with one label": ("label-skew", _alone, False),
    "text over 64 tokens": ("text-length", text(lambda t, rng: " ".join([t] * 5)), False),
    "text over 512 tokens": ("long-texts", text(lambda t, rng: " ".join([t] * 60)), False),
    "e-mail": (
        "personal-data",
        text(lambda t, rng: f"{t}, write to kim.lee{rng.integers(99)}@example.com"),
        False,
    ),
    "phone": (
        "personal-data",
        text(lambda t, rng: f"{t}, call 03-{rng.integers(1000, 9999)}-{rng.integers(1000, 9999)}"),
        False,
    ),
    "card": ("personal-data", text(lambda t, rng: f"{t}, card 4111 1111 1111 1111"), False),
    "Japanese address": (
        "personal-data",
        text(lambda t, rng: f"{t} 〒150-0001 東京都渋谷区神宮前1-2-3"),
        False,
    ),
    "Japanese text": (
        "language",
        text(lambda t, rng: "三階の印刷機が朝から紙詰まりで動きません、早めの対応をお願いします"),
        False,
    ),
    "mojibake": (
        "encoding-damage",
        text(lambda t, rng: t.replace("the", "schön über".encode().decode("latin-1"))),
        False,
    ),
    "lost characters": ("encoding-damage", text(lambda t, rng: t.replace("e", "\ufffd")), False),
    "HTML": ("html-or-markup", text(lambda t, rng: f"<p>{t}</p><br>&nbsp;"), False),
    "formula": ("formulas", text(lambda t, rng: '=HYPERLINK("http://example.com")'), False),
    "control characters": (
        "control-characters",
        text(lambda t, rng: t[:9] + "\u202e" + t[9:]),
        False,
    ),
    "wrong labels": ("suspicious-labels", _wrong, False),
}
SLOW = {"suspicious-labels"}


def write(rows: list[Row], folder: Path, in_splits: bool) -> Path:
    """A CSV file, or a folder with the last fifth of the rows as test."""
    cut = int(0.8 * len(rows)) if in_splits else len(rows)
    for name, part in (("train", rows[:cut]), ("test", rows[cut:])):
        if part:
            with open(folder / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([["text", "label", "site"], *part])
    return folder if in_splits else folder / "train.csv"


def check(rows: list[Row], in_splits: bool, slow: bool):
    """The verdict on rows that were written to a file and read again."""
    from fedkit.data.load import read_rows
    from fedkit.quality.finding import CheckOptions
    from fedkit.quality.report import assess

    with tempfile.TemporaryDirectory() as folder:
        path = write(rows, Path(folder), in_splits)
        return assess(
            read_rows(path, text="text", label="label", client="site"), CheckOptions(slow=slow)
        )


def planted(name: str, number: int, slow: bool, seed: int = 1) -> str:
    """'found', 'missed', or which part of the planted rows was listed."""
    kind, plant, in_splits = FAULTS[name]
    rng, rows = np.random.default_rng(seed), clean_rows(number, seed)
    at = sorted(rng.choice(int(0.7 * number), max(3, number // 33), replace=False).tolist())
    at = plant(rows, at, rng)
    hits = [f for f in check(rows, in_splits, slow).findings if f.kind == kind]
    if not hits:
        return "MISSED"
    # the line of row 0: faults of a folder stand in test
    first = 2 - int(0.8 * number) if in_splits else 2
    listed = {line for f in hits for line in f.rows}
    part = len(listed & {i + first for i in at}) / len(at) if at else 1.0
    return "found" if part >= 0.9 else f"{part:.0%}"


def false_alarms(
    number: int, slow: bool, in_splits: bool, seed: int
) -> tuple[list[str], list[str]]:
    """On clean rows: what asks for care, and what is only noted (of 10,000 made-up sentences some
    resemble another).
    """
    found = [
        f
        for f in check(clean_rows(number, seed), in_splits, slow).findings
        if f.kind != "few-examples"
    ]
    said = [(f.level == "note", f"{f.kind} ({f.count})") for f in found]
    return [words for note, words in said if not note], [words for note, words in said if note]


def faults(sizes: list[int], only: str | None, slow: bool) -> None:
    from fedkit.quality.report import CHECKS

    names = [
        n
        for n, (kind, _, _) in FAULTS.items()
        if only in (None, n, kind) and kind in CHECKS and (slow or kind not in SLOW)
    ]
    print(
        "| fault | finding | "
        + " | ".join(f"{n:,} rows" for n in sizes)
        + " |\n|---|---|"
        + "---|" * len(sizes)
    )
    missed = 0
    for name in names:
        results = [planted(name, number, slow) for number in sizes]
        missed += sum(result != "found" for result in results)
        print(f"| {name} | {FAULTS[name][0]} | " + " | ".join(results) + " |", flush=True)
    print(
        f"\n{len(names)} faults at {len(sizes)} sizes: {len(names) * len(sizes) - missed} found,"
        f" {missed} missed"
    )
    for number in sizes:
        results = [
            false_alarms(number, slow, in_splits, seed)
            for seed in (1, 2, 3)
            for in_splits in (False, True)
        ]
        alarms, notes = ([said for r in results for said in r[i]] for i in (0, 1))
        said = (
            f"{len(alarms)} false alarms {'; '.join(alarms)}; {len(notes)} notes {'; '.join(notes)}"
        )
        print(f"clean, {number:,} rows, 6 files: {said}", flush=True)


def million(number: int, seed: int = 0) -> None:
    """A file of `number` rows with planted faults, checked from the file; prints seconds and the
    peak of memory.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = make_large(number, Path(folder), seed)
        print(
            f"{number:,} rows, {path.stat().st_size / 1e6:.0f} MB; before: {peak_mib():,.0f} MiB",
            flush=True,
        )
        began = time.perf_counter()
        from fedkit.data.load import read_rows
        from fedkit.quality.finding import CheckOptions
        from fedkit.quality.report import assess

        table = read_rows(path, text="text", label="label", client="site")
        read = time.perf_counter() - began
        print(f"read: {read:.1f} s, peak {peak_mib():,.0f} MiB", flush=True)
        last = [time.perf_counter(), ""]

        def tell(said: str) -> None:
            now = time.perf_counter()
            if last[1]:
                print(
                    f"  {now - last[0]:6.1f} s  {last[1]}  (peak {peak_mib():,.0f} MiB)", flush=True
                )
            last[:] = [now, said]

        quality = assess(table, CheckOptions(tell=tell))
        tell("")
        total = time.perf_counter() - began
        print(f"total {total:.1f} s, peak {peak_mib():,.0f} MiB, verdict {quality.verdict}")
        for f in quality.findings:
            print(
                f"  {f.level:5} {f.kind:32} {f.count:>9,} of"
                f" {f.of:,}{' (sampled)' if f.sampled else ''}"
            )


def make_large(number: int, folder: Path, seed: int) -> Path:
    """Written by another process, so that its memory is not counted here."""
    import subprocess
    import sys

    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import quality;"
        f" quality.write_large({number}, {str(folder)!r}, {seed})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    return folder / "train.csv"


def write_large(number: int, folder: str, seed: int) -> None:
    """Planted: 0.1 % of the rows each for ten faults."""
    rng, rows = np.random.default_rng(seed), clean_rows(number, seed)
    # these write to the end
    for name in ("row twice", "near copy", "two labels for a text", "near copy elsewhere"):
        FAULTS[name][1](rows, list(range(number // 1_000)), rng)
        rng.shuffle(rows)
    for name in ("no text", "no label", "e-mail", "phone", "HTML", "text over 64 tokens"):
        FAULTS[name][1](rows, rng.choice(number, number // 1_000, replace=False).tolist(), rng)
    write(rows, Path(folder), False)


def bombs(only: str | None) -> None:
    """Build each file of `factories.bombs` in full, and check it: exit code, seconds, peak.

    Both are done by processes of their own. PYTHONPATH may name another tree of fedkit.
    """
    import os
    import subprocess
    import sys

    tests = str(Path(__file__).parent.parent)
    sys.path.insert(0, tests)
    from factories.bombs import BOMBS

    write_it = (
        f"import sys; sys.path.insert(0, {tests!r}); from factories.bombs import BOMBS;"
        " open(sys.argv[1], 'wb').write(BOMBS[sys.argv[2]][1](1))"
    )
    check_it = (  # 10 GB and three minutes: what is worse than that need not be known
        "import resource as r; r.setrlimit(r.RLIMIT_AS, (10**10, 10**10));"
        " r.setrlimit(r.RLIMIT_CPU, (180, 180)); from fedkit.cli.main import script; script()"
    )
    print("| bomb | bytes | exit | seconds of CPU | peak MiB | said |\n|---|---|---|---|---|---|")
    for name, (file, _) in BOMBS.items():
        if only not in (None, name):
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, file)
            subprocess.run([sys.executable, "-c", write_it, str(path), name], check=True)
            said = Path(folder, "said")
            with open(said, "wb") as out:
                child = subprocess.Popen(
                    [sys.executable, "-c", check_it, "check", str(path)], stdout=out, stderr=out
                )
                _, status, used = os.wait4(child.pid, 0)
            last = (said.read_text("utf-8", "replace").strip().splitlines() or [""])[-1]
            print(
                f"| {name} | {path.stat().st_size:,} | {os.waitstatus_to_exitcode(status)} |"
                f" {used.ru_utime + used.ru_stime:.1f} | {used.ru_maxrss / 1024:,.0f} |"
                f" {last[:150]} |",
                flush=True,
            )


def peak_mib() -> float:
    """The most memory this process has held so far (ru_maxrss is in KiB on Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, help="check a file of so many rows")
    parser.add_argument("--faults", action="store_true", help="plant every fault at every size")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--only")
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("--bombs", action="store_true", help="files that unpack to gigabytes")
    given = parser.parse_args()
    if given.rows:
        million(given.rows)
    if given.bombs:
        bombs(given.only)
    if given.faults or not (given.rows or given.bombs):
        faults([int(n) for n in given.sizes.split(",")], given.only, given.slow)
