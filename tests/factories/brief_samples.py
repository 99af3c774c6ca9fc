"""Briefs written by hand, for the tests of what draws them: go with conditions and no-go, in
English and Japanese, and the worst.

No figure here was measured; they only look like it.
"""

from __future__ import annotations

from dataclasses import fields, replace

from fedkit.reports.brief.brief import Bar, Brief, Fact, Returns, Rule, Swing

UI_EN = {
    "tried": "What was tried",
    "accuracies": "Does it help? Right answers on texts nobody trained on",
    "costs": "What it cost",
    "hours": "Hours for the whole run, by line and device",
    "privacy": "Privacy in plain words",
    "left": "What left each company",
    "stayed": "What never left",
    "leaving": "If a company leaves",
    "rules": "The rules behind this recommendation",
    "met": "met",
    "not_met": "not met",
    "conditions": "Conditions",
    "returns": "Return on investment",
    "assumptions": "Assumptions",
    "break_even": "When it pays back",
    "tornado": "What the yearly net value hangs on",
    "next_steps": "Next steps",
    "phrases": "Phrases for the meeting",
    "caveats": "Read this with care",
    "sources": "Sources",
    "name": "Name",
    "value": "Value",
    "source": "Source",
    "note": "Note",
    "effect": "Effect",
    "go": "Go",
    "conditions_word": "Go with conditions",
    "no_go": "No-go",
    "month": "Month",
    "net_per_year": "Net a year",
    "made_by": "Written by fedkit from run records; nothing here was loaded from a network.",
    "open_values": "All assumptions with their sources",
}
UI_JA = {
    "tried": "何を試したか",
    "accuracies": "効果はあるか：誰も学習していない文での正解率",
    "costs": "かかった費用と通信量",
    "hours": "全体の所要時間（回線と機器ごと）",
    "privacy": "プライバシーをわかりやすく",
    "left": "各社から出たもの",
    "stayed": "社内に残ったもの",
    "leaving": "1社が抜けたら",
    "rules": "この推奨の判断ルール",
    "met": "満たす",
    "not_met": "満たさない",
    "conditions": "条件",
    "returns": "投資対効果",
    "assumptions": "前提条件",
    "break_even": "回収の時期",
    "tornado": "年間の純効果を左右するもの",
    "next_steps": "次の一歩",
    "phrases": "会議で使える言い方",
    "caveats": "読むときの注意",
    "sources": "出典",
    "name": "項目",
    "value": "値",
    "source": "出典",
    "note": "備考",
    "effect": "影響",
    "go": "実施",
    "conditions_word": "条件付きで実施",
    "no_go": "見送り",
    "month": "月",
    "net_per_year": "年間の純効果",
    "made_by": "fedkitが実行記録から作成しました。このページは外部から何も読み込みません。",
    "open_values": "すべての前提条件とその出典",
}


def english() -> Brief:
    """Go with conditions: federation helps, privacy is not promised yet."""
    return Brief(
        lang="en",
        title="Should we train a shared model on our support requests?",
        question=(
            "Four companies, one classifier of support requests, no company hands over its texts."
            " Measured on banking77 (9,003 texts)."
        ),
        date="23 November 2026",
        verdict="conditions",
        verdict_name="Go, with conditions",
        headline=(
            "Federation gave 7.9 points more right answers than each company alone; start a small"
            " pilot once noise is added and the two smallest companies have labelled more texts."
        ),
        tiles=(
            Fact(
                "right answers together; 74.1% alone",
                "82.0%",
                "95% interval 80.6% to 83.4%",
                "run.json: final.accuracy",
            ),
            Fact(
                "sent and received by each company in all",
                "3.4 MB",
                "20 rounds; base model once, 87 MB",
                "run.json: traffic",
            ),
            Fact(
                "on old office PCs over ADSL", "1.6 h", "simulated", "run.json: simulated.seconds"
            ),
            Fact("privacy promised", "none", "no noise was added", "run.json: privacy"),
            Fact(
                "until the set-up is paid back",
                "9 months",
                "by the stated assumptions",
                "assumptions",
            ),
        ),
        tried=(
            "Base model all-MiniLM-L6-v2, LoRA of rank 8, 20 rounds, 4 companies.",
            (
                "Compared with each company alone, with all data in one place, and with the"
                " simplest guess, over 3 seeds."
            ),
        ),
        bars=(
            Bar("majority", "Majority class", 0.031, 0.027, 0.036, "always the commonest answer"),
            Bar("frozen-local", "Frozen encoder, each company alone", 0.702, 0.685, 0.719),
            Bar("local", "Each company alone", 0.741, 0.724, 0.758, "mean of 4 companies, 3 seeds"),
            Bar("federated", "Federated", 0.820, 0.806, 0.834, "3 seeds"),
            Bar(
                "pooled",
                "All data in one place",
                0.846,
                0.833,
                0.859,
                "not allowed; the upper mark",
            ),
            Bar(
                "full",
                "Full tuning, all data in one place",
                0.861,
                float("nan"),
                float("nan"),
                "one seed",
            ),
        ),
        bars_sentence=(
            "Federated beats each company alone by 7.9 points (+5.8 to +10.0) and stays 2.6 points"
            " below pooled data."
        ),
        costs=(
            Fact(
                "Sent by each company",
                "1.7 MB",
                "in 20 rounds, as serialised",
                "run.json: traffic.upload",
            ),
            Fact(
                "Received by each company",
                "1.7 MB",
                "without the base model",
                "run.json: traffic.download",
            ),
            Fact(
                "Base model, once", "87 MB", "downloaded before round 1", "run.json: model.nbytes"
            ),
            Fact("Memory in training", "612 MB", "peak, measured", "run.json: load.memory"),
            Fact(
                "Training on this computer",
                "4.2 min",
                "measured, all companies",
                "run.json: seconds",
            ),
        ),
        hours_head=("Device", "Fibre", "Office line", "ADSL", "Mobile"),
        hours_rows=(
            ("New laptop", "0.2 h", "0.2 h", "0.3 h", "0.4 h"),
            ("Office PC, 5 years", "0.7 h", "0.7 h", "0.8 h", "0.9 h"),
            ("Old PC, 2 cores", "1.5 h", "1.5 h", "1.6 h", "1.7 h"),
        ),
        privacy=(
            (
                "No differential privacy: no epsilon is promised, so updates can tell what a site's"
                " texts are."
            ),
            "The server sees each site's updates one by one.",
            "Sending few numbers (as LoRA does) is not privacy, and updates can still leak text.",
            "With 4 companies, whoever knows the members knows the unit.",
        ),
        left=(
            (
                "Changes of the adapter (LoRA) and the classification head: 84,000 numbers per site"
                " and round, over 20 rounds; 1.7 MB per site in all."
            ),
            "How many examples stand behind each update, label names, and when a site took part.",
            "This trial played all sites on one computer; no network was crossed.",
        ),
        stayed=(
            "All texts and the label of each text (7,202 training examples).",
            (
                "The rest of the base model: every site downloads it once, and only the tuned part"
                " is sent back."
            ),
            (
                "That texts stay does not mean that nothing can be inferred from what left; see"
                " privacy."
            ),
        ),
        leaving=(
            "Training goes on with those who remain, from the next round.",
            "Without Site C, which held 31% of the texts, the shared model had 79.4% right.",
            (
                "What it had learned from that company stays in the model; only training anew takes"
                " it out."
            ),
        ),
        rules=(
            Rule(
                "beats-local",
                "Federated beats each company alone, by an interval that is above zero.",
                True,
                "no-go",
                "+5.8 to +10.0 points",
            ),
            Rule(
                "worst",
                "No company loses more than 2 points.",
                True,
                "conditions",
                "worst: Site D, +0.6",
            ),
            Rule("seeds", "At least three seeds.", True, "conditions", "3"),
            Rule(
                "privacy", "A privacy promise of epsilon 10 or less.", False, "conditions", "none"
            ),
            Rule(
                "data",
                "Each company has at least 200 labelled texts.",
                False,
                "conditions",
                "Site D: 131",
            ),
            Rule("payback", "Paid back within 24 months.", True, "no-go", "9 months"),
        ),
        conditions=(
            (
                "Add noise for epsilon 8 or less and show that right answers stay above those of"
                " each company alone."
            ),
            "Site C and Site D label 200 more texts each before the pilot.",
        ),
        returns=Returns(
            "JPY",
            9_420_000,
            3_180_000,
            4_600_000,
            6_240_000,
            8.8,
            (
                Swing("Reports a year", "24,000", "96,000", 1_530_000, 15_660_000),
                Swing("Minutes saved per right answer", "2 min", "8 min", 1_530_000, 12_500_000),
                Swing("Wage an hour", "¥2,400", "¥4,800", 3_410_000, 9_200_000),
                Swing("Gain in right answers", "+5.8 points", "+10.0 points", 3_730_000, 8_740_000),
                Swing("Running cost per site", "¥1,200,000", "¥500,000", 4_620_000, 7_420_000),
                Swing("Traffic price per GB", "¥500", "¥50", 6_236_000, 6_241_000),
            ),
            tuple((m, -4_600_000 + 520_000 * m) for m in range(25)),
            tuple(
                Fact(*row)
                for row in (
                    ("Reports a year, all companies", "48,000", "", "stated by the group"),
                    ("Minutes saved per right answer", "4 min", "", "to be measured in the pilot"),
                    ("Wage an hour", "¥3,400", "", "statistics 2025"),
                    ("Gain in right answers", "+7.9 points", "", "run.json: final.accuracy"),
                    ("Set-up per site", "¥1,150,000", "", "offer of a supplier"),
                    ("Running cost per site a year", "¥795,000", "", "offer of a supplier"),
                    ("Traffic price per GB", "¥100", "", "price list"),
                    ("Companies", "4", "", "run.json: config.clients"),
                    ("Trainings a year", "4", "", "assumed"),
                )
            ),
            ("Zero at 1.3 minutes saved per right answer.", "Zero at 16,200 reports a year."),
            "Worth ¥9,420,000 a year against ¥3,180,000 of running cost; the set-up of ¥4,600,000"
            " is back after 9 months, if the assumptions hold.",
        ),
        next_steps=(
            "Agree who hosts the server and who may see updates (governance pack, part 2).",
            "Run again with noise for epsilon 8 over 3 seeds.",
            "Check Site C's and Site D's new labels with fedkit check.",
            "Decide on a pilot of three months on 15 January 2027.",
        ),
        phrases=(
            "“Together we are right in 82 of 100 cases; alone, in 74.”",
            "“No text left a company; numbers did, and numbers can leak.”",
            "“If one of us leaves, the rest goes on; what the model learned stays.”",
        ),
        caveats=(
            "One data set, split by us into companies; real companies differ more.",
            "Hours are simulated from device and line profiles.",
            "The money rests on assumptions, not on measurements.",
            "An attack's failure would not be a proof of privacy.",
        ),
        sources=(
            "run 20261123-1010-federated (sha256 5f3c…)",
            "run 20261123-1012-local",
            "run 20261123-1014-pooled",
            "assumptions.toml",
        ),
        ui=UI_EN,
        numbers={},
    )


def japanese() -> Brief:
    """No-go: the federation did not help here, said in Japanese."""
    return Brief(
        lang="ja",
        title="問い合わせ分類モデルを4社共同で学習すべきか",
        question=(
            "4社が問い合わせ文を互いに渡さずに、1つの分類モデルを育てられるか。"
            "サービスデスクの文900件で測定しました。"
        ),
        date="2026年11月23日",
        verdict="no-go",
        verdict_name="今回は見送り",
        headline=(
            "連合学習の正解率は各社単独と差がありませんでした（+0.4ポイント、区間は0をまたぐ）。"
            "まず各社のラベルをそろえ、件数を増やしてから再度測ることを勧めます。"
        ),
        tiles=(
            Fact(
                "共同での正解率（単独は71.2%）",
                "71.6%",
                "95%区間 68.1%〜75.0%",
                "run.json: final.accuracy",
            ),
            Fact(
                "1社あたりの送受信の合計",
                "2.1 MB",
                "10ラウンド、基盤モデルは別に471 MB",
                "run.json: traffic",
            ),
            Fact(
                "古い事務用PCとADSL回線の場合",
                "2.5時間",
                "シミュレーション",
                "run.json: simulated.seconds",
            ),
            Fact(
                "約束できるプライバシー",
                "ε = 7.8",
                "1件の文が単位、δ = 0.00001",
                "run.json: privacy",
            ),
        ),
        tried=(
            "基盤モデルは多言語MiniLM、LoRA（ランク8）、10ラウンド、4社。",
            "各社単独、全データ集約、最も多い答えを常に返す方法と、3つの乱数種で比べました。",
        ),
        bars=(
            Bar("majority", "最多ラベル", 0.124, 0.101, 0.150, "常に最も多い答えを返す"),
            Bar("frozen-local", "特徴量固定＋ロジスティック回帰（各社単独）", 0.688, 0.652, 0.722),
            Bar("local", "各社単独", 0.712, 0.677, 0.745, "4社の平均、乱数種3つ"),
            Bar("federated", "連合学習", 0.716, 0.681, 0.750, "乱数種3つ"),
            Bar("pooled", "全データ集約", 0.768, 0.735, 0.799, "実際には許されない上限の目安"),
        ),
        bars_sentence=(
            "連合学習と各社単独の差は+0.4ポイント（−1.9〜+2.7）で、差があるとは言えません。"
            "全データ集約より5.2ポイント低い結果です。"
        ),
        costs=(
            Fact("1社の送信量", "1.0 MB", "10ラウンド、実際に直列化した大きさ", "run.json"),
            Fact("1社の受信量", "1.1 MB", "基盤モデルを除く", "run.json"),
            Fact("基盤モデル（初回のみ）", "471 MB", "第1ラウンドの前に取得", "run.json"),
            Fact("学習時のメモリ", "1.3 GB", "実測の最大値", "run.json"),
            Fact("このPCでの学習時間", "6.8分", "全社分の実測", "run.json"),
        ),
        hours_head=("機器", "光回線", "社内回線", "ADSL", "携帯回線"),
        hours_rows=(
            ("新しいノートPC", "0.3時間", "0.3時間", "0.5時間", "0.6時間"),
            ("5年前の事務用PC", "1.1時間", "1.1時間", "1.3時間", "1.4時間"),
            ("古いPC（2コア）", "2.3時間", "2.3時間", "2.5時間", "2.6時間"),
        ),
        privacy=(
            "差分プライバシー：ε = 7.8、δ = 0.00001。"
            "単位は学習用の文1件、隣接関係は追加または削除です。",
            (
                "送られたものをすべて見て、ある文が使われたかを当てる人が正解する割合は、"
                "最悪でも99.96%までです。この値だけではほとんど何も排除できません。"
            ),
            "同じ人が書いた複数の文、結果を見て選んだ設定、ラベル名、各社の件数は対象外です。",
            "送る数値が少ないこと（LoRA）はプライバシー保護ではありません。",
        ),
        left=(
            (
                "アダプター（LoRA）と分類層の変化：1ラウンド1社あたり52,000個の数値、"
                "10ラウンドで1社合計1.0 MB。"
            ),
            "各更新のもとになった件数、ラベル名、各社がいつ参加したか。",
            "第1ラウンドの前に一度：ラベルごとの件数。",
        ),
        stayed=(
            "すべての文と、その文ごとのラベル（学習用720件）。",
            "基盤モデルの残りの部分：各社が一度取得し、調整した部分だけを送り返します。",
            "文が残っていても、出たものから何も推測されないという意味ではありません。",
        ),
        leaving=(
            "残った会社で次のラウンドから続けられます。",
            "その会社から学んだことはモデルに残ります。取り除くには最初から学習し直す必要があります。",
        ),
        rules=(
            Rule(
                "beats-local",
                "連合学習が各社単独を上回り、差の区間が0より上にある。",
                False,
                "no-go",
                "−1.9〜+2.7ポイント",
            ),
            Rule(
                "worst", "2ポイントを超えて悪くなる会社がない。", False, "conditions", "C社：−2.8"
            ),
            Rule("seeds", "乱数種が3つ以上ある。", True, "conditions", "3"),
            Rule("privacy", "εが10以下である。", True, "conditions", "7.8"),
            Rule("payback", "24か月以内に回収できる。", False, "no-go", "回収できない"),
        ),
        conditions=(
            "各社のラベルの付け方をそろえ、ラベルごとに30件以上を確保する。",
            "そのうえで3つの乱数種で測り直し、差の区間が0より上にあること。",
        ),
        returns=Returns(
            "JPY",
            410_000,
            2_900_000,
            4_200_000,
            -2_490_000,
            None,
            (
                Swing("年間の問い合わせ件数", "12,000件", "60,000件", -2_700_000, -1_860_000),
                Swing("正解1件で減る時間", "2分", "8分", -2_690_000, -2_080_000),
                Swing("1時間の人件費", "2,400円", "4,800円", -2_600_000, -2_310_000),
                Swing("正解率の向上", "−1.9ポイント", "+2.7ポイント", -4_850_000, -130_000),
                Swing("1社の年間運用費", "100万円", "40万円", -3_590_000, -1_190_000),
            ),
            tuple((m, -4_200_000 - 207_500 * m) for m in range(0, 37, 3)),
            tuple(
                Fact(*row)
                for row in (
                    ("年間の問い合わせ件数（全社）", "24,000件", "", "各社の申告"),
                    ("正解1件で減る時間", "4分", "", "試行で測る予定"),
                    ("1時間の人件費", "3,400円", "", "2025年の統計"),
                    ("正解率の向上", "+0.4ポイント", "", "run.json: final.accuracy"),
                    ("1社の準備費", "105万円", "", "見積書"),
                    ("1社の年間運用費", "72.5万円", "", "見積書"),
                    ("1 GBの通信料", "100円", "", "料金表"),
                    ("会社数", "4社", "", "run.json: config.clients"),
                )
            ),
            ("正解率の向上が+2.8ポイントで年間の純効果が0になります。",),
            "年間の効果41万円に対して運用費は290万円で、前提どおりなら準備費420万円は回収できません。",
        ),
        next_steps=(
            "各社の担当者がラベルの基準を1枚にまとめる（12月中）。",
            "fedkit checkでラベルの食い違いと重複を直す。",
            "1社あたり500件まで増やして、同じ条件で測り直す。",
        ),
        phrases=(
            "「今回のデータでは、集まって学ぶ効果は確かめられませんでした。」",
            "「文は社外に出ていません。出たのは数値ですが、数値からも漏れることがあります。」",
            "「抜けた会社から学んだことは、作り直さない限りモデルに残ります。」",
        ),
        caveats=(
            "1つのデータを4社に分けた試行であり、実際の会社の違いはもっと大きいと考えられます。",
            "所要時間は機器と回線の想定から計算した値です。",
            "金額は測定ではなく前提にもとづきます。",
        ),
        sources=(
            "実行記録 20261123-1110-federated（sha256 91ab…）",
            "実行記録 20261123-1112-local",
            "前提条件 assumptions.toml",
        ),
        ui=UI_JA,
        numbers={},
    )


EVIL = (
    "<script>alert(1)</script>",
    "]]>",
    "=cmd|' /C calc'!A0",
    "javascript:alert(1)",
    "\u202eevil\u202c\u2066x\u2069",
    "a\x00\x08\ufffe\ud800b",
    "</style><img src=x onerror=alert(1)>",
    "{{ 7*7 }}",
    "http://example.com/x",
    "--><!--",
    '" onload="x',
    "&amp;<b>",
)
COMPANIES = tuple(
    f"株式会社とても長い名前の商事グループ第{i:02d}地域統括本部管理部門情報分析推進室"[:40].ljust(
        40, "室"
    )
    for i in range(1, 13)
)


def worst(lang: str = "en", copies: int = 4) -> Brief:
    """More and longer of everything, twelve companies with names of 40 characters, and text that
    wants to be code.
    """
    brief, long = (english, japanese)[lang == "ja"](), ", ".join(COMPANIES)
    listed = {
        f.name: getattr(brief, f.name)
        for f in fields(brief)
        if f.type.startswith("tuple[str, ...]") and f.name != "hours_head"
    }
    many = {
        name: (tuple(f"{line} {evil}" for line, evil in zip(value * copies, EVIL * 3)) + (long,))  # noqa: RUF005
        for name, value in listed.items()
    }
    returns, back = brief.returns, {}
    back["swings"] = tuple(
        replace(s, name=s.name + EVIL[i % 12], low_label=EVIL[i % 5] + s.low_label)
        for i, s in enumerate(returns.swings * 2)
    )
    back["assumptions"] = tuple(
        replace(f, name=f.name + e, source=e) for f, e in zip(returns.assumptions * 3, EVIL * 3)
    )
    back["break_even"], back["sentence"] = tuple(long for _ in range(4)), returns.sentence + long
    return replace(
        brief,
        **many,
        returns=replace(returns, **back),
        title=brief.title + EVIL[0] + COMPANIES[0],
        question=brief.question + long,
        headline=brief.headline * 2 + EVIL[0],
        verdict_name=brief.verdict_name + EVIL[0],
        tiles=tuple(
            Fact(f.name + long[:90], f.value + "<b>", f.note + COMPANIES[0], EVIL[2])
            for f in brief.tiles + brief.tiles[:1]
        ),
        bars=brief.bars + tuple(Bar("local", name, 0.5, 0.45, 0.55, EVIL[0]) for name in COMPANIES),
        bars_sentence=brief.bars_sentence + long,
        costs=tuple(
            replace(f, name=f.name + e, note=f.note + long[:80])
            for f, e in zip(brief.costs * 2, EVIL)
        ),
        hours_head=(brief.hours_head[0], *COMPANIES[:9]),
        hours_rows=tuple((name, *["1,234.5 h"] * 9) for name in COMPANIES),
        rules=tuple(replace(r, text=r.text + EVIL[0], found=COMPANIES[0]) for r in brief.rules * 2),
    )


SAMPLES = {"en": english, "ja": japanese, "worst-en": worst, "worst-ja": lambda: worst("ja")}
