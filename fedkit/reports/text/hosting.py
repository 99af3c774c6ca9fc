"""Words of document 2, the base-model policy: (heading, line, ...) by key, or rows of a table."""

from __future__ import annotations

WORDS: dict[str, dict] = {
    "en": {
        "title": (
            "Base model: hosting and update policy",
            (
                "All members start from the same base model. An adapter or head only works with"
                " exactly the base model that it was trained with. This policy settles who keeps"
                " that model, how it is recognised, and how a new one is accepted."
            ),
        ),
        "model": (
            "The base model of the trial",
            "As recorded; the licence is not in the record and has to be confirmed.",
        ),
        "model_table": (
            ("What", "Value"),
            ("Name", "{model}"),
            ("Source (kind)", "{model_source}"),
            ("sha256 of the weights", "{model_sha}"),
            ("Parameters", "{parameters}"),
            ("Numbers that are trained and sent ({tune})", "{trainable}"),
            ("First download by each member", "{base}"),
            ("Licence, and whether it allows this use", "{blank}"),
            ("Provider, country, contact", "{blank}"),
        ),
        "pinned": (
            "Pinned by hash",
            (
                "Every site computes the sha256 of the weights before it trains or predicts, and"
                " stops if it is not the one above."
            ),
            (
                "A name or version number is not enough: the same name can stand for other weights"
                " later."
            ),
            "Tokenizer and configuration files change results too. Hashes of them: {blank}",
        ),
        "unpinned": (
            "Not pinned by hash",
            (
                "The record holds no hash of the weights (as with weights in several files). Until"
                " there is one, nobody can show that all members use the same model. Hash of every"
                " file, and who computed it: {blank}"
            ),
            (
                "A name or version number is not enough: the same name can stand for other weights"
                " later."
            ),
            "Tokenizer and configuration files change results too. Hashes of them: {blank}",
        ),
        "licence": (
            "Licence and origin",
            "Licence text reviewed by, on: {blank}",
            (
                "To check: commercial use, fine-tuning, distribution of adapters, naming duties,"
                " use restrictions, what is known of the training data."
            ),
            "What happens if the provider changes or withdraws the licence: {blank}",
        ),
        "host": (
            "Hosting",
            "Who keeps the reference copy, where, and for how long: {blank}",
            "How members get it (mirror inside the group, closed network, carrier): {blank}",
            "Who may write to the reference copy, and the second person who approves: {blank}",
            "Only safetensors weights, no code shipped with a model is executed, no pickle files.",
        ),
        "triggers": (
            "When a new base model is considered",
            (
                "A security or legal problem, a language or subject that the present one does not"
                " read, a clearly better one, end of support."
            ),
            "Who may propose, and how often it is looked at: {blank}",
        ),
        "accept": (
            "How an update is accepted",
            (
                "A new base model makes all adapters and heads unusable: every one is trained"
                " again. In the trial the federated training took {seconds} of measured computing"
                " over all members and moved {up_all} up and {down_all} down; baselines come on"
                " top."
            ),
        ),
        "steps": (
            ("Step", "What is done", "Who", "Done on"),
            ("Propose", "Name, source, hash, licence, reason.", "{blank}", "{blank}"),
            (
                "Review",
                "Licence and security review; language and length limits against the data.",
                "{blank}",
                "{blank}",
            ),
            (
                "Run again",
                (
                    "Same data, settings and seeds as the accepted run, with all baselines:"
                    " majority class, frozen encoder, local only, pooled."
                ),
                "{blank}",
                "{blank}",
            ),
            (
                "Compare",
                (
                    "Paired differences with their 95% intervals, for the mean and for every"
                    " member; bytes and seconds."
                ),
                "{blank}",
                "{blank}",
            ),
            (
                "Decide",
                "By the bar below; the reasons are written down, also for a no.",
                "{blank}",
                "{blank}",
            ),
            (
                "Pin",
                "New hash into settings and records; reference copy; all members confirm the hash.",
                "{blank}",
                "{blank}",
            ),
            ("Watch", "Both versions side by side for a period of {blank}.", "{blank}", "{blank}"),
        ),
        "bar": (
            "The bar",
            (
                "Numbers of the accepted run beside what a new one must reach. The bar is set"
                " before the new run is made."
            ),
        ),
        "today": (
            ("Figure", "Accepted run", "Required of a new one"),
            (
                "Accuracy on {test} test examples (95% interval)",
                "{accuracy} ({between})",
                "{blank}",
            ),
            ("Worst member", "{worst} ({worst_name})", "{blank}"),
            ("Sent by each member over a training", "{up_site}", "{blank}"),
            ("Measured training time of all members", "{seconds}", "{blank}"),
            ("Federated better than local only", "see the brief and the baselines", "{blank}"),
        ),
        "rollback": (
            "Rollback",
            (
                "The former base model, adapter, head and record are kept together, by hash, for:"
                " {blank}"
            ),
            "Who may order a rollback, and how fast it must be done: {blank}",
            "A rollback is rehearsed before an update goes live; last rehearsal: {blank}",
        ),
        "end": (
            "End of life",
            "When copies of a retired base model are deleted at members and at the host: {blank}",
            "Records of retired models (not the weights) are kept for: {blank}",
        ),
    },
    "ja": {
        "title": (
            "基盤モデルの管理および更新に関する方針",
            (
                "全参加会社は同一の基盤モデルから出発します。アダプターおよびヘッドは、"
                "学習時と完全に同じ基盤モデルとの組合せでのみ"
                "使用できます。本方針では、基盤モデルの管理者、同一性の確認方法、"
                "および新しいモデルの受入手順を定めます。"
            ),
        ),
        "model": (
            "試行で用いた基盤モデル",
            "下表は記録に基づく。ライセンスは記録に含まれないため、別途確認を要する。",
        ),
        "model_table": (
            ("項目", "内容"),
            ("名称", "{model}"),
            ("入手元の種別", "{model_source}"),
            ("重みファイルのSHA-256", "{model_sha}"),
            ("パラメータ数", "{parameters}"),
            ("学習・送信する数値の個数（{tune}）", "{trainable}"),
            ("各社の初回取得量", "{base}"),
            ("ライセンスおよび本用途での利用可否", "{blank}"),
            ("提供者、所在国、連絡先", "{blank}"),
        ),
        "pinned": (
            "ハッシュ値による固定",
            (
                "各拠点は、学習および予測の前に重みファイルのSHA-256を計算し、"
                "上記の値と一致しない場合は処理を中止する。"
            ),
            "名称や版番号だけでは同一性を確認できない。同じ名称でも、後に内容が変わることがある。",
            "トークナイザーおよび設定ファイルも結果に影響する。それらのハッシュ値：{blank}",
        ),
        "unpinned": (
            "ハッシュ値が未固定",
            (
                "重みファイルのハッシュ値が記録にない（重みが複数ファイルに分かれている場合など）。"
                "ハッシュ値が定まるまで、全社が同一のモデルを用いている"
                "ことを確認できない。全ファイルのハッシュ値および算出者：{blank}"
            ),
            "名称や版番号だけでは同一性を確認できない。同じ名称でも、後に内容が変わることがある。",
            "トークナイザーおよび設定ファイルも結果に影響する。それらのハッシュ値：{blank}",
        ),
        "licence": (
            "ライセンスおよび出所",
            "ライセンス条文の確認者および確認日：{blank}",
            (
                "確認事項：商用利用、追加学習、アダプターの配布、表示義務、用途の制限、"
                "学習データについて公表されている事項。"
            ),
            "提供者がライセンスを変更または撤回した場合の対応：{blank}",
        ),
        "host": (
            "保管および配布",
            "原本の保管者、保管場所および保管期間：{blank}",
            "参加会社への配布方法（グループ内のミラー、閉域網、媒体の持込み等）：{blank}",
            "原本を変更できる者、およびこれを承認する別の者：{blank}",
            "重みはsafetensors形式に限り、モデルに付属するコードは実行せず、pickle形式のファイルは用いない。",
        ),
        "triggers": (
            "新しい基盤モデルを検討する場合",
            (
                "安全上または法律上の問題が生じたとき、"
                "現行モデルが対応しない言語・分野が必要になったとき、"
                "明らかに優れたモデルが現れたとき、サポートが終了するとき。"
            ),
            "提案できる者および見直しの頻度：{blank}",
        ),
        "accept": (
            "更新の受入手順",
            (
                "基盤モデルを変更すると、既存のアダプターおよびヘッドはすべて使用できなくなり、"
                "学習をやり直す必要がある。試行での連合学習に要したのは、"
                "全社合計の計算時間（実測）{seconds}、送信{up_all}、受信{down_all}である。"
                "比較対象（ベースライン）の学習は別途必要となる。"
            ),
        ),
        "steps": (
            ("手順", "内容", "担当", "実施日"),
            ("提案", "名称、入手元、ハッシュ値、ライセンス、理由を示す。", "{blank}", "{blank}"),
            (
                "審査",
                "ライセンスおよび安全性の審査。対応言語と文章長の上限をデータと照合する。",
                "{blank}",
                "{blank}",
            ),
            (
                "再実行",
                (
                    "採用済みの試行と同じデータ・設定・乱数シードで、"
                    "すべてのベースライン（多数派クラス、凍結エンコーダー、単独学習、"
                    "集中学習）とともに実行する。"
                ),
                "{blank}",
                "{blank}",
            ),
            (
                "比較",
                "全体平均および参加会社ごとに、対応のある差とその95%信頼区間を求める。通信量と時間も比較する。",
                "{blank}",
                "{blank}",
            ),
            (
                "決定",
                "下記の基準により決定し、不採用の場合も理由を記録する。",
                "{blank}",
                "{blank}",
            ),
            (
                "固定",
                "新しいハッシュ値を設定および記録に反映し、原本を登録する。全社がハッシュ値の一致を確認する。",
                "{blank}",
                "{blank}",
            ),
            ("並行監視", "新旧のモデルを並行して運用する期間：{blank}", "{blank}", "{blank}"),
        ),
        "bar": (
            "受入基準",
            "採用済みの試行の数値と、新しいモデルに求める水準を並べて示す。基準は再実行の前に定める。",
        ),
        "today": (
            ("指標", "採用済みの試行", "新しいモデルに求める水準"),
            ("評価用{test}件に対する正解率（95%信頼区間）", "{accuracy}（{between}）", "{blank}"),
            ("正解率が最も低い参加会社", "{worst}（{worst_name}）", "{blank}"),
            ("1回の学習における各社の送信量", "{up_site}", "{blank}"),
            ("学習時間（全社合計、実測）", "{seconds}", "{blank}"),
            ("連合学習が単独学習を上回ること", "意思決定資料およびベースラインを参照", "{blank}"),
        ),
        "rollback": (
            "切戻し",
            (
                "旧基盤モデル、アダプター、ヘッドおよび記録を、"
                "ハッシュ値とともに一括して保管する期間：{blank}"
            ),
            "切戻しを指示できる者、および完了までの期限：{blank}",
            "更新を本番に適用する前に、切戻しの訓練を行う。直近の実施日：{blank}",
        ),
        "end": (
            "使用終了",
            "使用を終了した基盤モデルの複製を、各社および保管者が削除する時期：{blank}",
            "使用を終了したモデルの記録（重みを除く）の保管期間：{blank}",
        ),
    },
}
