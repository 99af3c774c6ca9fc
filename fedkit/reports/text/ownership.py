"""Words of document 3, rights in adapters: (heading, line, ...) by key, or table rows."""

from __future__ import annotations

WORDS: dict[str, dict] = {
    "en": {
        "title": (
            "Ownership of adapters and heads",
            (
                "What a training makes is numbers. Whether and how law protects them differs by"
                " country and is partly unsettled; what members may do with them is therefore best"
                " agreed in a contract. The table names each object and leaves the answer open."
            ),
        ),
        "objects": (
            "The objects",
            (
                "Sizes are those of the trial ({tune}: {trainable} numbers that travel; labels in"
                " the head: {labels})."
            ),
        ),
        "objects_table": (
            ("Object", "What it is", "In the trial", "Holder of rights", "What others may do"),
            (
                "Texts and labels",
                "The data of one member; stays at its site.",
                "{train} training examples over all members",
                "the member",
                "nothing",
            ),
            (
                "Update of one member",
                (
                    "Difference between its locally trained numbers and the shared ones, one in"
                    " each round."
                ),
                "{up_site} sent by each member in all",
                "{blank}",
                "{blank}",
            ),
            (
                "Shared adapter",
                "Average of the updates: carries what all members' data taught.",
                "{trainable} numbers, with the head",
                "{blank}",
                "{blank}",
            ),
            (
                "Shared head",
                "One row of numbers for each label; says which labels exist.",
                "{labels} labels",
                "{blank}",
                "{blank}",
            ),
            (
                "Base model",
                "Made by its provider, under the provider's licence.",
                "{model}, {parameters} parameters",
                "the provider",
                "as the licence says: {blank}",
            ),
            (
                "Derived models",
                "Adapters trained further, merged into the base model, or distilled.",
                "none in the record",
                "{blank}",
                "{blank}",
            ),
            (
                "Record and reports",
                "Settings, bytes, results, {counts} per member.",
                "{rounds} rounds",
                "{blank}",
                "{blank}",
            ),
            (
                "Predictions",
                "What a member's own use of the model gives.",
                "not in the record",
                "{blank}",
                "{blank}",
            ),
        ),
        "updates": (
            "Updates of a single member",
            (
                "An update can tell something about the texts behind it. It is used for one thing"
                " only: to be averaged."
            ),
            "The server deletes a member's update after: {blank}",
            (
                "Nobody evaluates, sells, publishes or keeps the update of another member."
                " Exceptions (agreed audits): {blank}"
            ),
        ),
        "shared": (
            "Shared adapter and head",
            (
                "Options: joint rights of all members / rights of one body with licences to all /"
                " licence by share of contribution. Chosen: {blank}"
            ),
            "Field of use, territory, duration, affiliates, sublicences: {blank}",
            (
                "Which version is meant: the one whose hash stands below. A later training makes a"
                " new object with a new hash."
            ),
            (
                "Changes by the server (selection of rounds, merging, compression) need the consent"
                " of: {blank}"
            ),
        ),
        "kept": (
            "Parts that stay at a site",
            (
                "In the trial only these parts travelled: {share}. The others were trained by each"
                " member for itself and stayed there."
            ),
            "They belong to that member alone, unless agreed otherwise: {blank}",
        ),
        "leavers": (
            "After leaving",
            (
                "May a former member go on using the last version that it helped to train; for"
                " which purposes and how long: {blank}"
            ),
            "Does it receive later versions; does it pay for them: {blank}",
            "May the others go on using versions that its data helped to train: {blank}",
            "Exclusion for breach: which of these rights end: {blank}",
        ),
        "derived": (
            "Derived models",
            (
                "Personal adaptation by one member on its own data: whose is the result, and must"
                " it be shared: {blank}"
            ),
            (
                "Merging the adapter into the base model makes a copy of the base model: its"
                " licence decides whether it may be passed on."
            ),
            (
                "Distillation (training another model on predictions) counts as derived / does not:"
                " {blank}"
            ),
            "Combining with adapters of other groups: {blank}",
        ),
        "outside": (
            "Towards outsiders",
            (
                "Sale of a member, merger, insolvency, transfer of a business: what becomes of its"
                " rights: {blank}"
            ),
            "Claims of outsiders about data in the model: who answers, who pays: {blank}",
            "Names and marks of the members in publications: {blank}",
        ),
        "disputes": (
            "Proof of contribution",
            (
                "The record shows for each round who took part, with how many examples and bytes."
                " It does not show what a contribution was worth."
            ),
            (
                "If shares depend on contribution: the measure, who computes it, and how it is"
                " checked: {blank}"
            ),
        ),
    },
    "ja": {
        "title": (
            "アダプターおよびヘッドの権利帰属・利用条件",
            (
                "学習によって生じるのは数値（学習済みパラメータ）です。"
                "その法的保護の有無や範囲は国によって異なり、定まっていない点もあります。そのため、"
                "誰が何をできるかを契約で定めることが望まれます。下表に対象物を挙げ、取扱いは空欄としています。"
            ),
        ),
        "objects": (
            "対象物",
            (
                "大きさは試行時のもの（{tune}、送受信される数値{trainable}個、ヘッドのラベル数{labels}）。"
            ),
        ),
        "objects_table": (
            ("対象物", "内容", "試行での状況", "権利の帰属", "他の者に認める利用"),
            (
                "文章およびラベル",
                "各参加会社のデータ。拠点の外に出ない。",
                "全社合計で学習データ{train}件",
                "当該参加会社",
                "なし",
            ),
            (
                "個々の参加会社の更新",
                "各社で学習した数値と共有の数値との差分。ラウンドごとに1件生じる。",
                "1社あたりの送信量は全体で{up_site}",
                "{blank}",
                "{blank}",
            ),
            (
                "共有アダプター",
                "更新を平均したもの。全社のデータから学習した内容を含む。",
                "ヘッドを含めて{trainable}個の数値",
                "{blank}",
                "{blank}",
            ),
            (
                "共有ヘッド",
                "ラベルごとに一組の数値。どのラベルが存在するかがわかる。",
                "ラベル数{labels}",
                "{blank}",
                "{blank}",
            ),
            (
                "基盤モデル",
                "提供者が作成し、提供者のライセンスに従うもの。",
                "{model}（パラメータ数{parameters}）",
                "提供者",
                "ライセンスによる：{blank}",
            ),
            (
                "派生モデル",
                "アダプターの追加学習、基盤モデルへの統合、または蒸留により得たもの。",
                "記録にはない",
                "{blank}",
                "{blank}",
            ),
            (
                "記録および報告書",
                "設定、通信量、結果、参加会社別の{counts}。",
                "{rounds}ラウンド分",
                "{blank}",
                "{blank}",
            ),
            ("予測結果", "各社がモデルを使用して得たもの。", "記録にはない", "{blank}", "{blank}"),
        ),
        "updates": (
            "個々の参加会社の更新",
            (
                "更新から、その元になった文章に関する情報が推測される可能性がある。更新は、"
                "平均の算出のみに用いる。"
            ),
            "サーバーが個々の更新を削除する時期：{blank}",
            (
                "他の参加会社の更新を分析、販売、公表または保管してはならない。"
                "例外（合意した監査等）：{blank}"
            ),
        ),
        "shared": (
            "共有アダプターおよびヘッド",
            (
                "選択肢：全参加会社による共有／一つの主体に帰属させ全社に利用を許諾／貢献の割合に応じた許諾。"
                "採用する案：{blank}"
            ),
            "利用分野、地域、期間、関係会社、再許諾：{blank}",
            (
                "対象となる版は、前掲のハッシュ値で特定する。その後の学習で得られたものは、"
                "新たなハッシュ値を持つ別の対象物とする。"
            ),
            "サーバー側での変更（ラウンドの選択、統合、圧縮）に同意を要する者：{blank}",
        ),
        "kept": (
            "拠点に残る部分",
            "試行で送受信したのは次の部分のみである：{share}。その他の部分は各社が自ら学習し、拠点に残した。",
            "別段の合意がない限り、拠点に残る部分は当該参加会社に帰属する。別段の合意：{blank}",
        ),
        "leavers": (
            "脱退後の取扱い",
            "脱退した会社が、学習に加わった最後の版を引き続き利用できるか、その目的および期間：{blank}",
            "脱退後の版の提供を受けられるか、対価の有無：{blank}",
            "脱退した会社のデータが学習に用いられた版を、他の参加会社が引き続き利用できるか：{blank}",
            "違反による除名の場合に消滅する権利：{blank}",
        ),
        "derived": (
            "派生モデル",
            "参加会社が自社データで追加学習した結果の帰属、および共有義務の有無：{blank}",
            (
                "アダプターを基盤モデルに統合すると、基盤モデルの複製が生じる。"
                "提供の可否は基盤モデルのライセンスによる。"
            ),
            "蒸留（予測結果を用いた別モデルの学習）を派生モデルに含めるか：{blank}",
            "他のグループのアダプターとの組合せ：{blank}",
        ),
        "outside": (
            "第三者との関係",
            "参加会社の売却、合併、倒産または事業譲渡の場合の権利の取扱い：{blank}",
            "モデルに含まれるデータに関する第三者からの請求への対応者および費用負担者：{blank}",
            "公表物における参加会社の名称・商標の使用：{blank}",
        ),
        "disputes": (
            "貢献の証明",
            "記録からは、ラウンドごとの参加会社、件数および通信量がわかる。貢献の価値まではわからない。",
            "貢献に応じて持分を定める場合の算定方法、算定者および検証方法：{blank}",
        ),
    },
}
