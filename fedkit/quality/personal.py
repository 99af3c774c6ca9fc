"""Likely personal data in Japanese and English texts: found by form, check digit and neighbouring
words, and masked.

A search by patterns, not a proof of absence: it knows forms (an e-mail address, a telephone number)
and names only in obvious places (田中様, Mr Smith, 氏名：…). Texts are compared with full-width letters
and digits folded; positions are those of the text.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from fedkit.core.files import packaged
from fedkit.core.formatting import count
from fedkit.data.read_rows import RawTable
from fedkit.quality.finding import MOST_EXAMPLES, MOST_ROWS, WIDTH, CheckOptions, Finding

LONGEST = 100_000  # characters of a text that are looked at


def _word_lists() -> dict[str, frozenset[str]]:
    """Return the lists of `names_ja.txt`: {name in brackets: the words below it}."""
    lists: dict[str, list[str]] = {}
    for line in packaged("fedkit.quality", "names_ja.txt").splitlines():
        if line.startswith("["):
            words = lists.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            words += line.split()
    return {name: frozenset(words) for name, words in lists.items()}


_LISTS = _word_lists()


@dataclass(frozen=True)
class Span:
    """text[start:end] is likely personal data of this kind (a key of MASKS)."""

    kind: str
    start: int
    end: int


def find(text: str) -> list[Span]:
    """All likely personal data in `text`, in order, without overlaps. A text without any sign of it
    costs one search.
    """
    folded = text[:LONGEST].translate(_FOLD)
    if not _SIGN.search(folded):
        return []
    found: list[Span] = []
    for kind, sign, search in FINDERS:
        if sign.search(folded):
            for start, end in search(folded):
                if not any(s.start < end and start < s.end for s in found):
                    found.append(Span(kind, start, end))
    return sorted(found, key=lambda span: span.start)


def mask(text: str, language: str | None = None) -> str:
    """`text` with each find replaced by its kind, [email] or in Japanese [メール]; all else unchanged.
    Idempotent.

    language: of the words put in, "en" or "ja"; None: "en".
    """
    for _ in range(10):  # what is left may show its form only when its neighbour is gone
        if not (spans := find(text)):
            break
        for span in reversed(spans):
            text = f"{text[: span.start]}[{MASKS[span.kind][language == 'ja']}]{text[span.end :]}"
    return text


def check_personal(table: RawTable, setting: CheckOptions) -> Iterable[Finding]:
    """One finding with the number of rows of each kind; its examples are masked."""
    cache: dict[str, frozenset[str]] = {}
    rows, kinds, examples = [], Counter(), []
    for row, text in enumerate(table.frame["text"]):
        if text not in cache:
            cache[text] = frozenset(span.kind for span in find(text))
        if here := cache[text]:
            rows.append(row)
            if len(examples) < MOST_EXAMPLES and here - kinds.keys():
                examples.append(shortened(mask(text)))
            kinds.update(here)
    if rows:
        said = ", ".join(f"{kind} in {number:,}" for kind, number in kinds.most_common())
        yield Finding(
            "personal-data",
            "note" if set(kinds) == {"name"} and len(rows) < 0.01 * len(table.frame) else "care",
            len(rows),
            len(table.frame),
            f"{count(len(rows), 'text')} with likely personal data ({said})",
            "A model may remember rare texts, and whoever holds the file or the adapter may not be"
            " allowed to see them.",
            "Write the cleaned copy with masking (--mask), or remove them; a search by patterns"
            " finds most, never all.",
            tuple(table.frame["line"].iloc[rows[:MOST_ROWS]].tolist()),
            tuple(examples),
            {**kinds, "index": rows[:MOST_ROWS]},
        )


def shortened(text: str, around: str = "[") -> str:
    """At most WIDTH characters on one line, with the first mask in sight."""
    flat = " ".join(text.split())
    at = max(0, flat.find(around) - WIDTH // 2) if len(flat) > WIDTH else 0
    part = ("…" if at else "") + flat[at:]
    return part if len(part) <= WIDTH else part[: WIDTH - 1] + "…"


# --- check digits
# ------------------------------------------------------------------------------


def luhn(digits: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1, annex B)."""
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return sum(d - 9 * (d > 9) for d in doubled) % 10 == 0


def my_number(digits: str) -> bool:
    """The check digit of a 12-digit Individual Number (My Number).

    Source: Ordinance of the Ministry of Internal Affairs and Communications No. 85 of 2014
    (平成26年総務省令第85号), article 5: 11 - (sum of P_n * Q_n for n = 1..11, modulo 11), P_n the n-th digit
    from the right before the check digit, Q_n = n + 1 up to n = 6 and n - 5 from n = 7; 0 where the
    remainder is 0 or 1.
    """
    if len(digits) != 12 or len(set(digits)) == 1:
        return False
    body = [int(d) for d in reversed(digits[:11])]
    rest = sum(p * (n + 1 if n <= 6 else n - 5) for n, p in enumerate(body, start=1)) % 11
    return int(digits[11]) == (0 if rest <= 1 else 11 - rest)


def iban(code: str) -> bool:
    """The check digits of an International Bank Account Number (ISO 13616: modulo 97 is 1)."""
    return (
        15 <= len(code) <= 34
        and int("".join(str(int(c, 36)) for c in code[4:] + code[:4])) % 97 == 1
    )


def card(digits: str) -> bool:
    """A card number: its issuer's first digits, that issuer's length, and the check digit."""
    return (
        len(set(digits)) > 1
        and any(re.match(p, digits) and len(digits) in n for p, n in _CARDS)
        and luhn(digits)
    )


# --- the finders: folded text -> (start, end)
# ------------------------------------------------------------------------------

_FOLD = {
    **{i: i - 0xFEE0 for i in range(0xFF01, 0xFF5F) if chr(i) not in "～"},
    0x3000: " ",
    0xA0: " ",
    0x2003: " ",
    0x2002: " ",
    **dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2014, 0x2015, 0x2212), "-"),
}
_HAN = "一-龥々ヶ髙﨑"
_BEFORE = r"(?<![A-Za-z0-9])(?<![A-Za-z0-9][-_/#.])"
_AFTER = r"(?![A-Za-z0-9])(?![-/_][A-Za-z0-9])"
_CARDS = (
    (r"4", (16, 19)),
    (r"5[1-5]|2(2[3-9]|[3-6]|7[01]|22[1-9]|720)", (16,)),
    (r"3[47]", (15,)),
    (r"35(2[89]|[3-8])", (16,)),
    (r"3(0[0-5]|[689])", (14,)),
    (r"6(011|5|4[4-9])", (16,)),
    (r"62", (16, 17, 18, 19)),
)
_THING = re.compile(
    r"(品番|型番|部品|型式|伝票|注文|受注|発注|管理番号|受付番号|番号は|シリアル|製造番号|チケット|ロット|資産|請求書|案件|バージョン|追跡|コード|ID|"
    r"ticket|order|part|serial|invoice|\bPO|SKU|model|\blot|asset|version|incident|case|tracking|ref(?:erence)?|S/N|P/N|"
    r"error|build|batch|id|code)\W{0,3}(?:no|number|num|番号)?\W{0,4}$",
    re.IGNORECASE,
)
_CALL = re.compile(
    r"(tel|phone|call|mobile|cell|fax|ring|whatsapp|電話|携帯|連絡先|内線)[^0-9]{0,12}$",
    re.IGNORECASE,
)
_PHONES = tuple(
    re.compile(_BEFORE + f"(?:{form})" + _AFTER)
    for form in (
        r"\+\d{1,3}(?:[- .]?\(0?\d{0,4}\))?(?:[- .]?\d{1,5}){2,5}",
        r"0\d{1,4}[-ー]\d{1,4}[-ー]\d{3,4}",
        r"\(?0\d{1,4}\)[- ]?\d{1,4}[- ]?\d{3,4}",
        r"0\d{1,3}\(\d{1,4}\)\d{3,4}",
        r"0\d{1,4} \d{3,4} \d{3,4}|0\d{3,4} \d{6}",
        r"0[5-9]0\d{8}",
        r"0\d{9,10}",
        r"(?:1[-. ])?\(?[2-9]\d\d\)?[-. ]\d{3}[-. ]\d{4}",
        r"\d{3}-\d{4}",
    )
)
_PREFECTURE = (
    "(?:東京都|北海道|京都府|大阪府|(?:青森|岩手|宮城|秋田|山形|福島|茨城|栃木|群馬|埼玉|千葉|神奈川|新潟|富山|石川|福井|山梨|長野|岐阜|静岡|愛知|三重|滋賀|"
    "兵庫|奈良|和歌山|鳥取|島根|岡山|広島|山口|徳島|香川|愛媛|高知|福岡|佐賀|長崎|熊本|大分|宮崎|鹿児島|沖縄)県)"
)
_BLOCK = (
    r"[\d一二三四五六七八九十]{1,4}(?:(?:丁目|条(?=[東西南北\d])[東西南北]?|番地?の?|号|[-ーの])[\d一二三四五六七八九十]{0,4}){1,4}(?:号室|号)?"
    r"(?: ?["
    + _HAN
    + r"ァ-ヶーA-Za-z]{2,15}(?:ビル|マンション|ハイツ|アパート|コーポ|荘|タワー|レジデンス)?["
    r" -]?\d{1,4}(?:号室|号|階|F))?"
)
_JA_ADDRESS = re.compile(
    rf"{_PREFECTURE} ?[^\s、。,0-9]{{1,25}}?"
    rf" ?{_BLOCK}|(?<![{_HAN}])(?!都市|地区|各市|全市)[{_HAN}]{{1,5}}[市区][^\s、。"
    rf",\dでをはが]{{1,15}}?{_BLOCK}"
    rf"|{_PREFECTURE}[^\s、。,0-9]{{1,12}}[市区町村][^\s、。"
    r",0-9]{1,12}?\d{1,5}(?:番地|番)?(?![\d年月日時分個件台円人名回度%])"
)
_EN_ADDRESS = re.compile(
    r"(?<![A-Za-z0-9_#.-])\d{1,5}[A-Za-z]?,? (?:[NSEW]\.?"
    r" )?(?:(?!(?:Hard|Disk|Flash|USB|Network|Tape|Optical|Shared|External|Test|Google|"
    r"Pen|Thumb|Map|Mapped|One|Backup|SSD|New|The|Same)\b)[A-Z][a-z'’]+\.? |\d{1,3}(?:st|nd|rd|th)"
    r" ){1,3}"
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way|Place|Pl|Square|Sq|Terrace|Close|Crescent|"
    r"Gardens|Highway|Hwy|Parkway|Pkwy|Row|Hill|Grove)\b(?:,? (?:Apt|Apartment|Flat|Suite|Unit)\.?"
    r" ?\w{1,5})?"
    r"|\bP\.?O\.? Box \d{1,6}\b"
)
_STATES = "A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]"
_POST = re.compile(
    rf"〒 ?\d{{3}}[-ー]?\d{{4}}(?!\d)|(?<![A-Za-z0-9-])\d{{3}}[-ー]\d{{4}}(?= ?{_PREFECTURE})"
    r"|郵便番号[はが:\s]{0,3}(\d{3}[-ー]?\d{4})(?![\d-])"
    r"|(?<![A-Za-z0-9-])(?:[A-Z]{1,2}\d[A-Z\d]?|GIR) \d[ABD-HJLNP-UW-Z]{2}(?![A-Za-z0-9-])"
    rf"|(?<=, )(?:{_STATES}) \d{{5}}(?:-\d{{4}})?(?![\d-])|(?<=[Zz][Ii][Pp] )(?:code"
    r" )?\d{5}(?:-\d{4})?(?![\d-])"
)
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?"
_DATE = (
    r"(?:(?:19|20)\d\d ?[-/.年] ?\d{1,2} ?[-/.月]"
    r" ?\d{1,2}日?|(?:明治|大正|昭和|平成|令和|[MTSHR]\.?) ?(?:\d{1,2}|元)(?:年|[./-]) ?\d{1,2}"
    r"(?:月|[./-])"
    r" ?\d{1,2}日?|\d{1,2}[/.-]\d{1,2}[/.-](?:\d{4}|\d\d)(?!\d)|\d{1,2}(?:st|nd|rd|th)?"
    rf" (?:of )?{_MONTH},? \d{{4}}"
    rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}|(?:19|20)\d{{6}}(?!\d))"
)
_BORN = re.compile(
    rf"(?:生年月日|誕生日|お誕生日|\bDOB|\bD\.O\.B\.?|[Dd]ate of [Bb]irth|[Bb]orn(?:"
    rf" on)?|[Bb]irthday|[Bb]irth ?date)"
    rf"(?:\(.{{0,8}}\))?[\s:=は、-]{{0,4}}(?:is |was )?(?:the )?({_DATE})|({_DATE}) ?(?:生まれ|生れ)"
)
_MAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])"
)
_URL = re.compile(r"https?://[^\s<>\"'「」()、。]{3,2000}", re.IGNORECASE)
_IN_URL = re.compile(
    r"//[^/?#]{1,200}@|[?&;#](?:user(?:name|_?id)?|e?-?mail|token|session(?:_?id)?|sid|api_?key|key|password|pass|pwd|name|uid|"
    r"phone|tel|login|account|customer_?id|employee_?id|auth)=[^&]",
    re.IGNORECASE,
)
_IBAN = re.compile(
    r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])"
)
_CARD = re.compile(
    r"(?<![\d.-])(?<![A-Za-z])\d{3,4}(?:(?:[ -]?\d{4}){2,4}|[ -]?\d{6}[ -]?\d{4,5})(?:["
    r" -]?\d{1,3})?(?![\d-])"
)
_MINE = re.compile(
    r"(?<![\d.-])(?<![A-Za-z])(?:\d{12}|\d{4}-\d{4}-\d{4}|\d{4} \d{4} \d{4})(?![\d-])(?!"
    r" \d{4})(?!\.\d)"
)
_STAMP = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d")
_V4 = re.compile(
    r"(?<![A-Za-z0-9_.-])(?:\d{1,3}\.){3}\d{1,3}(?![A-Za-z0-9_-])(?!\.\d)(?!"
    r" ?(?:release|build|update|version|版|以降))"
)
_V6 = re.compile(
    r"(?<![A-Za-z0-9_:.])(?:[0-9A-Fa-f]{1,4}:{1,2}){2,7}[0-9A-Fa-f]{1,4}(?![A-Za-z0-9_:])"
)
_VERSION = re.compile(
    r"(?:\bv|ver(?:sion)?|バージョン|ファーム(?:ウェア)?|firmware|release|build|rev|update|driver|ドライバー?|版|\bOS)\W{0,3}$",
    re.I,
)
_BANK = re.compile(
    r"(?:口座番号|普通預金|普通口座|当座預金|account"
    r" (?:no\.?|number))[\s:はが#]{0,4}(\d{6,10})(?!\d)",
    re.I,
)
_STAFF = re.compile(
    r"(?:社員番号|従業員番号|職員番号|社員ID|社員コード|employee (?:id|no\.?|number)|staff"
    r" (?:id|no\.?|number))[\s:はが#]{0,4}([A-Za-z]{0,2}-?\d{3,10})(?!\d)",
    re.I,
)
_HONOUR = re.compile(
    rf"([{_HAN}]{{1,8}})["
    r" ]?(様(?![子式々相態])|さん(?![ぽか]く)|氏(?!名)|殿(?!堂)|君|くん|先生|部長|課長|係長|主任|社長|店長|専務|常務|取締役|主査|次長|室長|所長|工場長)"
)
_KANA = re.compile(r"(?<![ァ-ヶー])([ァ-ヶー]{2,10}(?:[・ ][ァ-ヶー]{2,10})?)(?:様|さん)")
_LABEL = re.compile(
    rf"(?:氏名|お?名前|フルネーム|担当(?:者名?)?|利用者名?|申請者名?|報告者名?|記入者名?|連絡者|依頼者名?|発信者|使用者名?|フリガナ|ふりがな|代表者)(?:\([^)]{{1,6}}\))?"
    rf" ?[:=] ?"
    rf"((?:[{_HAN}]{{1,4}}[ ]?[{_HAN}ぁ-んァ-ヶー]{{0,6}})|[ァ-ヶー]{{2,8}}["
    r" ・]?[ァ-ヶー]{0,8}|[A-Z][A-Za-z'-]+(?: [A-Z][A-Za-z'-]+){0,2})"
)
_FULL = re.compile(rf"(?<![{_HAN}])([{_HAN}]{{3,6}}|[{_HAN}]{{2,3}} [{_HAN}]{{1,3}})(?![{_HAN}])")
_SELF = re.compile(
    r"(?:^|[。、!\n"
    rf" ]|(?:部|課|店|係|室|社|局|所|場|科|班|ループ|ーム|担当|経理|総務|人事|営業|製造|開発|情報|法務|品質|物流)の)([{_HAN}]{{1,3}})(?:と申します|と言います|ですが|です[。"
    r"、 ]|です$)"
)
_WORD = r"[A-Z](?:[a-zA-Z-]|['’](?!s\b)){0,30}[a-z]"
_TITLE = re.compile(
    r"\b(?:Mr|Mrs|Ms|Mx|Miss|Dr|Prof)\b\.? ((?:[A-Z]\.? ){0,2}N_(?: N_)?)".replace("N_", _WORD)
)
_SAID = re.compile(
    (
        r"\b(?:[Dd]ear|DEAR|[Mm]y name is|[Mm]y name's|[Hh]i|[Hh]ello)[ ,]+(N_(?: N_)?)(?=["
        r" ,.!:;\n]|$)"
        r"|\b[Tt]his is (N_(?: N_)?)(?=,? (?:from|in|at|speaking|calling|here)\b)"
        r"|(?:[Rr]egards|[Tt]hanks|[Cc]heers|[Ss]incerely|[Bb]est(?: wishes)?|[Tt]hank"
        r" you)[,.!]?\s+(N_(?: N_)?)\.?\s*$"
        r"|(?:^|[,;.|\n]\s*|\b(?:[Ff]ull|[Ff]irst|[Ll]ast|[Cc]ustomer|[Ee]mployee|[Cc]ontact|[Cc]aller)"
        r" )[Nn]ame ?[:=] ?(N_(?: N_){0,2})"
        r"|\b(?:[Cc]ontact(?: person)?|[Rr]eported by|[Rr]equested by|[Ss]ubmitted"
        r" by|[Cc]aller|[Ee]mployee|[Pp]atient) ?[:=] ?(N_(?: N_){1,2})"
        r"|\b(?:[Rr]eported by|[Cc]all|[Cc]ontact|[Aa]sk) (N_ N_)(?= (?:on|at|by|via|\(|from|in)\b)"
    ).replace("N_", _WORD)
)
_PLACES = frozenset("県市区町村郡駅店社部課係局内外側城港寺大")
_PAIRS = Iterator[tuple[int, int]]


def _matches(
    form: re.Pattern[str], fits: Callable[[re.Match[str], str], bool] = lambda m, t: True
) -> Callable[[str], _PAIRS]:
    """A finder: where `form` matches and `fits`; its first group that matched is the find, else the
    whole.
    """

    def search(text: str) -> _PAIRS:
        for m in form.finditer(text):
            if fits(m, text):
                group = next(
                    (i for i, value in enumerate(m.groups(), 1) if value and value.strip()), 0
                )
                yield m.span(group)

    return search


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _before(m: re.Match[str], text: str) -> str:
    return text[max(0, m.start() - 24) : m.start()]


def _is_mine(m: re.Match[str], text: str) -> bool:
    before, digits = _before(m, text), _digits(m[0])
    if not my_number(digits):
        return False
    return bool(re.search(r"マイナンバー|個人番号|my ?number", before, re.I)) or not (
        _THING.search(before) or _STAMP.fullmatch(m[0])
    )


def _phones(text: str) -> _PAIRS:
    for form, fits in zip(_PHONES, _PHONE_FITS):
        for m in form.finditer(text):
            if fits(_digits(m[0]), m[0], _before(m, text)):
                yield m.span()


def _thing(before: str) -> bool:
    return bool(_THING.search(before)) and not _CALL.search(before)


_PHONE_FITS: tuple[Callable[[str, str, str], bool], ...] = (
    lambda d, m, b: 8 <= len(d) <= 15 and not re.search(r"\d[.,]? ?$|UTC$|GMT$", b),
    lambda d, m, b: len(d) in (10, 11) and not (_thing(b) and not re.match(r"0[5-9]0", d)),
    lambda d, m, b: len(d) in (10, 11) and not _thing(b),
    lambda d, m, b: len(d) in (10, 11) and not _thing(b),
    lambda d, m, b: len(d) in (10, 11) and not _thing(b),
    lambda d, m, b: not _thing(b),
    lambda d, m, b: bool(_CALL.search(b)),
    lambda d, m, b: not _thing(b),
    lambda d, m, b: bool(re.search(r"(?:phone|call|tel|ring|cell|mobile)\b[^0-9]{0,12}$", b, re.I)),
)


def _is_v4(m: re.Match[str], text: str) -> bool:
    parts = [int(part) for part in m[0].split(".")]
    masks = parts[0] in (0, 127, 255) or max(parts) < 10
    return max(parts) < 256 and not masks and not _VERSION.search(_before(m, text))


def _is_v6(m: re.Match[str], text: str) -> bool:
    if (m[0].count(":") < 7 and "::" not in m[0]) or (
        not re.search("[A-Fa-f]", m[0]) and m[0].count(":") < 7
    ):
        return False
    try:
        return ipaddress.IPv6Address(m[0]).is_loopback is False
    except ValueError:
        return False


def _honoured(text: str) -> _PAIRS:
    for m in _HONOUR.finditer(text):
        run, word = m[1], m[2]
        start = _surname(run)
        if start is None and word in ("様", "さん") and 2 <= len(run) <= 3 and _may_be_name(run):
            start = 0
        if start is not None:
            yield m.start() + start, m.end(1)


def _surname(run: str) -> int | None:
    """Where a listed surname begins that, maybe with a given name, ends the run of kanji; None if
    there is none.
    """
    for start in range(len(run)):
        for long in (3, 2):
            given = run[start + long :]
            if run[start : start + long] in _LISTS["surnames"] and (
                not given or (len(given) <= 3 and given[-1] in _LISTS["given_end"])
            ):
                return start
    return 0 if run in _LISTS["surnames"] else None


def _is_full(run: str) -> bool:
    """A listed surname and two or three kanji that end as given names do; no suffix of a place, an
    office or a shop.
    """
    for long in (2, 3):
        given = run[long:].strip()
        if (
            run[:long] in _LISTS["surnames"]
            and 2 <= len(given) <= 3
            and given[-1] in _LISTS["given_end"]
            and given[0] not in _PLACES
        ):
            return True
    return False


def _may_be_name(run: str) -> bool:
    return (
        run not in _LISTS["not_names"]
        and run[-2:] not in _LISTS["not_names"]
        and run[-1] not in _LISTS["not_name_ends"]
    )


def _said_name(m: re.Match[str], text: str) -> bool:
    name = next(value for value in m.groups() if value)
    return not _LISTS["not_english"] & set(name.split())


def _labelled(m: re.Match[str], text: str) -> bool:
    name = m[1].replace(" ", "")
    return (
        not re.match(r"未定|不明|なし|無し|同上|本人|別途|空欄|情報|総務|人事|営業|経理", name)
        and name[-1] not in "部課係室社店局"
    )


def _names(text: str) -> _PAIRS:
    for search in _NAMES:
        yield from search(text)


_NAMES = (
    _honoured,
    _matches(
        _KANA,
        lambda m, t: (
            m[1] not in _LISTS["not_katakana"]
            and not any(m[1].endswith(word) for word in _LISTS["not_katakana"])
        ),
    ),
    _matches(_LABEL, _labelled),
    _matches(_FULL, lambda m, t: _is_full(m[0])),
    _matches(
        _SELF, lambda m, t: m[1] in _LISTS["surnames"] and (len(m[1]) > 1 or "申します" in m[0])
    ),
    _matches(_TITLE, lambda m, t: m[1].split()[-1] not in _LISTS["not_english"]),
    _matches(_SAID, _said_name),
)

_LONG_NUMBER = re.compile(r"\d(?:[-ー .()+]{0,2}\d){6}")
_DIGIT = re.compile(r"\d")
_NAME_SIGN = re.compile(
    rf"様|さん|氏|殿|君|くん|先生|[部課係社店室所場]長|主任|専務|常務|取締役|主査|次長|前"
    rf" ?[:=]|名(?:\([^)]{{1,6}}\))? ?[:=]|[者ナな当]"
    rf" ?[:=]|申し|言います|です|\bM[rsx]s?\b|Miss|\bDr|Prof"
    rf"|[Dd]ear|DEAR|[Nn]ame|\bHi|\bhi|[Hh]ello|This is|this"
    rf" is|egards|hank|heers|incerely|\b[Bb]est|ontact|by|aller|mployee|atient|\b[Cc]all\b|\b[Aa]sk\b"
    rf"|[{_HAN}]{{2,3}} ?[{_HAN}]{{1,2}}[{''.join(sorted(_LISTS['given_end']))}](?![{_HAN}])"
)
# In the order in which they claim their characters: kind, a cheap sign that a search is worth it,
# the search.
FINDERS: tuple[tuple[str, re.Pattern[str], Callable[[str], _PAIRS]], ...] = (
    ("url", re.compile("https?://", re.I), _matches(_URL, lambda m, t: bool(_IN_URL.search(m[0])))),
    ("email", re.compile("@"), _matches(_MAIL)),
    (
        "iban",
        re.compile(r"[A-Z]{2}\d\d ?[A-Z0-9]{4}"),
        _matches(_IBAN, lambda m, t: iban(m[0].replace(" ", ""))),
    ),
    ("card", _LONG_NUMBER, _matches(_CARD, lambda m, t: card(_digits(m[0])))),
    ("my-number", _LONG_NUMBER, _matches(_MINE, _is_mine)),
    ("date-of-birth", re.compile("生|[Bb]orn|[Bb]irth|DOB|D\\.O"), _matches(_BORN)),
    ("bank-account", re.compile("口座|預金|[Aa]ccount|ACCOUNT"), _matches(_BANK)),
    ("staff-number", re.compile("員|[Ee]mployee|[Ss]taff"), _matches(_STAFF)),
    (
        "postal-address",
        re.compile(r"[都道府県市区]|\d[A-Za-z]?,? (?:[NSEW]\.? )?[A-Z1-9]|Box"),
        lambda text: (m.span() for form in (_JA_ADDRESS, _EN_ADDRESS) for m in form.finditer(text)),
    ),
    (
        "postal-code",
        re.compile(r"〒|\d{3}[-ー]?\d{4}|\d[A-Z]{2}|[A-Z]{2} \d{5}|[Zz][Ii][Pp]"),
        _matches(_POST),
    ),
    ("phone", _LONG_NUMBER, _phones),
    (
        "ip",
        re.compile(r"\d\.\d{1,3}\.|:[0-9A-Fa-f]{0,4}:"),
        lambda text: (*_matches(_V4, _is_v4)(text), *_matches(_V6, _is_v6)(text)),
    ),
    ("name", _NAME_SIGN, _names),
)
_SIGN = re.compile(
    "@|https?://|Box|" + _DIGIT.pattern + "|[一二三四五六七八九]丁目|" + _NAME_SIGN.pattern, re.I
)
MASKS = {
    "url": ("url", "URL"),
    "email": ("email", "メール"),
    "iban": ("iban", "IBAN"),
    "card": ("card", "カード番号"),
    "my-number": ("my-number", "個人番号"),
    "date-of-birth": ("date-of-birth", "生年月日"),
    "bank-account": ("bank-account", "口座番号"),
    "staff-number": ("staff-number", "社員番号"),
    "postal-address": ("postal-address", "住所"),
    "postal-code": ("postal-code", "郵便番号"),
    "phone": ("phone", "電話"),
    "ip": ("ip", "IP"),
    "name": ("name", "氏名"),
}  # kind -> the word put in its place, in English and in Japanese
