"""Words of document 7, the model card: (heading, line, ...) by key, or table rows, head first."""

from __future__ import annotations

WORDS: dict[str, dict] = {
    "en": {
        "title": (
            "Model card",
            (
                "What this model is, what it was measured on, and where it should not be used."
                " Headings after Mitchell et al. (2019), Model Cards for Model Reporting."
            ),
        ),
        "details": (
            "Model details",
            (
                "A text classifier: base model {model} ({parameters} parameters), tuned by {tune};"
                " numbers that are trained and travel: {trainable}."
            ),
            (
                "Trained together by members: {members}; rounds recorded: {rounds}; server"
                " strategy: {strategy}; seed: {seed}; fedkit {version}."
            ),
            "Privacy setting: {privacy}. Secure aggregation: {secure}. Compression: {wire}.",
            "Version, contact and licence of the adapter: {blank}",
            "Licence of the base model: {blank}",
        ),
        "use": (
            "Intended use",
            "Made for: sorting short texts, like those of the members, into {labels} labels.",
            "Intended users and business process: {blank}",
            (
                "Out of scope: texts of other kinds or languages, labels that are not in the list,"
                " decisions about people without a human."
            ),
            "Further uses that are excluded: {blank}",
        ),
        "factors": (
            "Factors",
            (
                "Results are given by member, since members hold different mixes of labels. The"
                " record knows no groups of people."
            ),
            (
                "Groups, languages or channels in which results may differ, and whether that was"
                " measured: {blank}"
            ),
        ),
        "metrics": (
            "Metrics",
            (
                "Accuracy is the share of test texts with the right label; macro F1 gives every"
                " label the same weight. The interval covers the choice of test examples, unless"
                " the record says otherwise; it leaves out the luck of split, start and batches."
            ),
            "No best round was picked on the test set: the last one counts.",
        ),
        "metrics_table": (
            ("Metric", "Value"),
            ("Accuracy", "{accuracy}"),
            ("95% interval of the accuracy", "{between}"),
            ("Macro F1", "{f1}"),
            ("Worst member, on test examples like its own", "{worst} ({worst_name})"),
            ("Sent by each member", "{up_site}"),
            ("Received by each member, without the base model", "{down_site}"),
            ("Training time of all members (measured)", "{seconds}"),
        ),
        "evaluation": (
            "Evaluation data",
            (
                "Data set {data}: {test} test examples that nothing was tuned on. For choices,"
                " {validation} validation examples were set apart."
            ),
            "How test examples were chosen, and how like operation they are: {blank}",
        ),
        "training": (
            "Training data",
            (
                "Data set {data}: {train} training examples, each a text with one of {labels}"
                " labels, spread over the members."
            ),
            "Where the texts come from, when they were written, and who gave the labels: {blank}",
        ),
        "notes": ("Notes in the record (in English, as recorded)",),
        "analyses": (
            "Quantitative analyses",
            (
                "Numbers are from the records; a dash or “not known” means that the record does not"
                " say."
            ),
        ),
        "per_member": ("By member",),
        "members_table": (
            (
                "Member",
                "Training examples",
                "Labels held",
                "Accuracy on test examples like its own",
            ),
        ),
        "beside": ("Beside other ways of learning",),
        "beside_table": (("Way of learning", "Tuned by", "Accuracy", "95% interval"),),
        "alone": (
            (
                "No baselines were given: these records do not say whether training together is"
                " better than training alone."
            ),
        ),
        "methods": (
            ("majority", "Majority class"),
            ("frozen-pooled", "Frozen encoder + logistic regression, pooled"),
            ("frozen-local", "Frozen encoder + logistic regression, local only"),
            ("local", "Local only"),
            ("pooled", "Pooled (centralized)"),
            ("full", "Full tuning, pooled"),
            ("federated", "Federated"),
        ),
        "ethics": (
            "Ethical considerations",
            "Whether texts hold personal data is not in the record: see document 6.",
            "Effect of a wrong label on a person, and how it is noticed and put right: {blank}",
        ),
        "caveats": (
            "Caveats and recommendations",
            "From the risk register (document 5), as far as this record gives reason:",
        ),
        "again": (
            "How to reproduce",
            (
                "The same settings, data and seed on the same machine and versions give the same"
                " numbers. Compare the hashes first. Settings that are not in the line below have"
                " their defaults."
            ),
        ),
        "no_command": (
            (
                "The settings in the record are not all known to this version, so there is no"
                " command line; they are under “config” in the record."
            ),
        ),
        "environment_table": (("Environment", "As recorded"),),
    },
    "ja": {
        "title": (
            "モデルカード",
            (
                "本モデルの内容、測定に用いたデータ、および使用すべきでない場面を示します。"
                "見出しはMitchell et al. (2019) “Model Cards for Model Reporting” に準じています。"
            ),
        ),
        "details": (
            "モデルの詳細",
            (
                "文章分類モデル。基盤モデルは{model}（パラメータ数{parameters}）、"
                "調整方式は{tune}、学習・送受信する数値は{trainable}個。"
            ),
            (
                "共同で学習した参加会社：{members}社、記録済みラウンド数：{rounds}、"
                "サーバーの集約方式：{strategy}、乱数シード：{seed}、fedkit {version}。"
            ),
            "プライバシー設定：{privacy}。秘匿集約：{secure}。圧縮：{wire}。",
            "アダプターの版、連絡先およびライセンス：{blank}",
            "基盤モデルのライセンス：{blank}",
        ),
        "use": (
            "想定する用途",
            "参加会社の文章に類する短い文章を、{labels}種類のラベルに分類すること。",
            "想定する利用者および業務：{blank}",
            "対象外：異なる種類・言語の文章、一覧にないラベル、人の関与なしに行う個人に関する判断。",
            "その他の対象外とする用途：{blank}",
        ),
        "factors": (
            "要因",
            (
                "参加会社ごとにラベルの構成が異なるため、会社別の結果を示す。記録には、"
                "人の属性に関する情報は含まれない。"
            ),
            "結果が異なり得る属性、言語または受付経路、およびその測定の有無：{blank}",
        ),
        "metrics": (
            "評価指標",
            (
                "正解率は、正しいラベルが付いた評価用文章の割合。マクロF1は、"
                "すべてのラベルを同じ重みで扱う。信頼区間は、記録に別段の記載がない限り、"
                "評価用データの選び方による"
                "ばらつきを表し、分割・初期値・学習順序の偶然は含まない。"
            ),
            "評価用データを見て良いラウンドを選ぶことはしておらず、最後のラウンドの値を用いている。",
        ),
        "metrics_table": (
            ("指標", "値"),
            ("正解率", "{accuracy}"),
            ("正解率の95%信頼区間", "{between}"),
            ("マクロF1", "{f1}"),
            ("最も低い参加会社（自社と同じ構成の評価用データ）", "{worst}（{worst_name}）"),
            ("1社あたりの送信量", "{up_site}"),
            ("1社あたりの受信量（基盤モデルを除く）", "{down_site}"),
            ("学習時間（全社合計、実測）", "{seconds}"),
        ),
        "evaluation": (
            "評価用データ",
            (
                "データセット：{data}。評価用は{test}件で、調整には一切用いていない。"
                "設定の選択用に、検証用{validation}件を分けた。"
            ),
            "評価用データの選び方、および実運用のデータとの近さ：{blank}",
        ),
        "training": (
            "学習用データ",
            (
                "データセット：{data}。学習用は{train}件で、"
                "各文章に{labels}種類のいずれかのラベルが付いており、参加会社に分かれている。"
            ),
            "文章の出所、作成時期およびラベルの付与者：{blank}",
        ),
        "notes": ("記録にある注記（英語の原文のまま）",),
        "analyses": (
            "定量的な分析",
            "数値は記録に基づく。「–」または「不明」は、記録にないことを示す。",
        ),
        "per_member": ("参加会社別",),
        "members_table": (
            (
                "参加会社",
                "学習データ件数",
                "保有ラベル数",
                "自社と同じ構成の評価用データに対する正解率",
            ),
        ),
        "beside": ("他の学習方法との比較",),
        "beside_table": (("学習方法", "調整方式", "正解率", "95%信頼区間"),),
        "alone": (
            (
                "ベースラインの記録が与えられていないため、共同学習が単独学習より優れているかは、"
                "今回の記録からはわからない。"
            ),
        ),
        "methods": (
            ("majority", "多数派クラス"),
            ("frozen-pooled", "凍結エンコーダー＋ロジスティック回帰（集中）"),
            ("frozen-local", "凍結エンコーダー＋ロジスティック回帰（単独）"),
            ("local", "単独学習"),
            ("pooled", "集中学習"),
            ("full", "全体学習（集中）"),
            ("federated", "連合学習"),
        ),
        "ethics": (
            "倫理的な考慮事項",
            "文章に個人情報が含まれるかどうかは記録にない。資料6を参照。",
            "誤ったラベルが個人に与える影響、およびその発見・是正の方法：{blank}",
        ),
        "caveats": (
            "注意事項および推奨事項",
            "リスク登録簿（資料5）のうち、本記録に該当するもの：",
        ),
        "again": (
            "再現方法",
            (
                "同じ設定、データおよび乱数シードを、同じ計算機・同じ版で用いると、"
                "同じ数値が得られる。先にハッシュ値を照合すること。"
                "以下のコマンドにない設定は既定値である。"
            ),
        ),
        "no_command": (
            (
                "記録の設定に、この版で扱えないものがあるため、コマンドを示せない。"
                "設定は記録の「config」にある。"
            ),
        ),
        "environment_table": (("実行環境", "記録された値"),),
    },
}
