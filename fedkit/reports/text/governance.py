"""Words shared by every document of the pack, by language and key. Tables: the head first."""

from __future__ import annotations

COMMON: dict[str, dict] = {
    "en": {
        "mark": "A starting point for your lawyers; not legal advice.",
        "basis": (
            "Prefilled from the record of one trial: data set {data}, base model {model}, members:"
            " {members}, rounds recorded: {rounds}. Every number below comes from that record."
            " Whatever is marked {blank} has to be filled in by people."
        ),
        "unfinished": (
            "This trial has not finished: {rounds} of {wanted} rounds are recorded. Numbers are"
            " those of the last recorded round, and nothing is promised about privacy before the"
            " end."
        ),
        "version": (
            "Date: {day}. Version: {blank}. Prepared by: {blank}. Reviewed by legal: {blank}."
        ),
        "left": "What left each site in the trial",
        "stayed": "What stayed",
        "privacy": "What is promised about privacy",
        "more": "Further rows are in the record: {count} in all.",
        "members": (
            (
                "Member (name in the record)",
                "Legal name and address",
                "Contact",
                "Training examples",
                "Labels held",
            ),
        ),
        "labels_not_told": (
            "How many examples each label has, and who holds any, is not told: the promise about"
            " privacy covers it."
        ),
        "labels": (("Label", "Training examples of all members", "Members that hold any"),),
        "traffic": (("Member", "Rounds counted", "Sent", "Received", "Training time (measured)"),),
        "hashes": (
            ("What", "Name", "sha256"),
            ("Data set", "{data}", "{data_sha}"),
            ("Base model", "{model}", "{model_sha}"),
            (
                "Adapter and head of this trial",
                "adapter_model.safetensors, head.safetensors",
                "{blank}",
            ),
        ),
        "index_title": "Governance pack",
        "index_about": (
            "Outlines for the cooperation, prefilled from the trial. Each exists as Markdown and as"
            " a Word document with the same text. Blanks are marked {blank}; in the Word documents"
            " they are yellow."
        ),
        "index_head": ("No.", "Document", "Files"),
        "index_edit": (
            "Edit copies, not the files in this folder. What was edited here is never overwritten:"
            " the next writing stops and names the file. SHA256SUMS says what was written."
        ),
    },
    "ja": {
        "mark": "法務担当者との検討のたたき台であり、法的助言ではありません。",
        "basis": (
            "本書は、1件の試行記録（データセット：{data}、基盤モデル：{model}、"
            "参加会社：{members}社、記録済みラウンド数："
            "{rounds}）をもとに自動で記入したものです。以下の数値はすべてこの記録に基づきます。"
            "{blank} の箇所は、関係者が記入して"
            "ください。"
        ),
        "unfinished": (
            "この試行は完了していません（{wanted}ラウンド中{rounds}ラウンドまで記録済み）。"
            "数値は最後に記録された"
            "ラウンドのものです。完了するまで、プライバシーに関する保証値は示されません。"
        ),
        "version": "作成日：{day}　版：{blank}　作成者：{blank}　法務確認者：{blank}",
        "left": "試行で各拠点から送信されたもの",
        "stayed": "拠点に残ったもの",
        "privacy": "プライバシーについて保証されること・されないこと",
        "more": "表示しきれない行は試行記録にあります（全{count}件）。",
        "members": (
            (
                "参加会社（記録上の名称）",
                "正式名称・所在地",
                "連絡先",
                "学習データ件数",
                "保有ラベル数",
            ),
        ),
        "labels_not_told": (
            "ラベル別の件数および保有する会社は、プライバシーの保証の対象であるため記載しない。"
        ),
        "labels": (("ラベル", "学習データ件数（全社合計）", "保有する会社数"),),
        "traffic": (
            ("参加会社", "集計に加わったラウンド数", "送信量", "受信量", "学習時間（実測）"),
        ),
        "hashes": (
            ("対象", "名称", "SHA-256"),
            ("データセット", "{data}", "{data_sha}"),
            ("基盤モデル", "{model}", "{model_sha}"),
            (
                "本試行のアダプターおよびヘッド",
                "adapter_model.safetensors、head.safetensors",
                "{blank}",
            ),
        ),
        "index_title": "ガバナンス資料一式",
        "index_about": (
            "共同学習に向けた検討資料です。試行の記録から記入済みで、"
            "各資料は同じ内容のMarkdownとWord文書があります。"
            "記入が必要な箇所は {blank} で示し、Word文書では黄色で表示しています。"
        ),
        "index_head": ("資料番号", "資料", "ファイル"),
        "index_edit": (
            "編集は、このフォルダーのファイルではなく写しに対して行ってください。"
            "ここで編集されたファイルは上書き"
            "されません（次回の書き出し時に、該当ファイル名を示して停止します）。"
            "書き出した内容はSHA256SUMSで確認できます。"
        ),
    },
}
