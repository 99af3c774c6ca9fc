"""Words of document 4, leaving: (heading, line, ...) by key, or rows of a table, head first."""

from __future__ import annotations

WORDS: dict[str, dict] = {
    "en": {
        "title": (
            "When a member leaves: responsibilities",
            (
                "Stopping to take part is simple: no further update is sent. What was learned"
                " before is another matter. This outline says what stays in the model, what it"
                " costs to train without the member, and who has to do what."
            ),
        ),
        "remains": (
            "What stays in the model",
            (
                "Texts are not sent from the site, so there are none to give back. What stays are"
                " numbers: every shared adapter and head since the member's first round holds a"
                " part that its data taught."
            ),
            (
                "In the trial, updates were averaged over {rounds} rounds. Later rounds build on"
                " earlier ones, so a member's part cannot be subtracted afterwards."
            ),
            (
                "Copies that were handed out (to members, into products, into backups) do not"
                " change when the member leaves. List of copies: {blank}"
            ),
            (
                "Statistics and counts in records and reports, this one included, stay until"
                " they are deleted: {blank}"
            ),
        ),
        "limits": (
            "What unlearning cannot promise",
            (
                "Only training anew without the member's data gives a model that provably has not"
                " seen it."
            ),
            (
                "Approximate unlearning (a few steps in the opposite direction, fine-tuning on the"
                " others' data) may lower accuracy on that data; this is no proof that nothing can"
                " be inferred any more."
            ),
            "An attack that finds nothing is no proof either.",
            (
                "Predictions, decisions and models derived before the member left are not undone"
                " by it."
            ),
        ),
        "promise_none": (
            (
                "In the trial nothing bounds how much of the model comes from one member: no"
                " epsilon was promised."
            ),
        ),
        "promise_example": (
            (
                "In the trial the promise holds for single training examples, not for everything"
                " that one member holds: it does not bound a member's whole part."
            ),
        ),
        "promise_client": (
            (
                "In the trial the promise holds for a whole member, so its epsilon bounds what can"
                " be told of it from the shared model; the smaller, the less. It is a bound and no"
                " deletion."
            ),
        ),
        "retrain": (
            "What training without a member costs",
            (
                "For each member: what is lost with it, and what the other members' part took in"
                " the trial (measured computing time; bytes in both directions). That is the cost"
                " of the same rounds without it, on the same machine; accuracy without it has to be"
                " measured in a new run."
            ),
            (
                "Rounds that would be run again: {rounds}. Accuracy with everybody: {accuracy} (95%"
                " interval {between})."
            ),
            (
                "Labels that only one member holds cannot be learned without it; they are taken out"
                " of the head, or examples are found elsewhere: {blank}"
            ),
        ),
        "retrain_table": (
            (
                "If this member leaves",
                "Training examples lost",
                "Labels that nobody else holds",
                "Training time of the others",
                "Traffic of the others",
            ),
        ),
        "steps": ("Steps and responsibilities",),
        "steps_table": (
            ("Step", "Who", "Within"),
            (
                "Written notice, with the last round that the member takes part in",
                "the member",
                "{blank}",
            ),
            ("Access to the server and to shared storage withdrawn", "{blank}", "{blank}"),
            (
                "Updates and statistics of the member that are still stored deleted; backups",
                "{blank}",
                "{blank}",
            ),
            (
                "Decision: keep the present model / train anew without the member / stop",
                "{blank}",
                "{blank}",
            ),
            (
                (
                    "If trained anew: new hash, comparison with the former model, exchange of all"
                    " copies"
                ),
                "{blank}",
                "{blank}",
            ),
            ("Former member stops using, or goes on under document 3", "{blank}", "{blank}"),
            (
                "Privacy check: fewer members share the sum, so a sum tells more about each",
                "{blank}",
                "{blank}",
            ),
            ("Records, certificates and this list filed", "{blank}", "{blank}"),
        ),
        "keys_none": (
            "Keys and masks",
            (
                "The trial used no secure aggregation: the server saw each update by itself, so"
                " there are no keys to withdraw, and stored single updates are the point to check."
            ),
            "Credentials of the member (accounts, certificates, tokens) withdrawn by: {blank}",
        ),
        "keys_masks": (
            "Keys and masks",
            (
                "The trial masked updates so that only their sum can be read, with an"
                " implementation that is for teaching and not secure. In operation a reviewed one"
                " is needed: {blank}"
            ),
            (
                "Pairwise secrets with the former member are destroyed and never used again; the"
                " smallest number of members that a sum may have is checked: {blank}"
            ),
            "Credentials of the member (accounts, certificates, tokens) withdrawn by: {blank}",
        ),
        "keys_encrypted": (
            "Keys and masks",
            (
                "The trial encrypted updates ({secure}). Who holds the key that opens a sum decides"
                " who can read it: {blank}"
            ),
            (
                "After a member leaves, a new key is made, and the old one is kept only as long as"
                " old ciphertexts must be opened: {blank}"
            ),
            "Credentials of the member (accounts, certificates, tokens) withdrawn by: {blank}",
        ),
        "certificate": (
            "Deletion certificate",
            (
                "Each side certifies what it really deleted. A certificate does not claim that the"
                " model has forgotten."
            ),
        ),
        "certificate_table": (
            ("Item", "Where, and how it was deleted", "Date", "Signed by"),
            (
                "Base model copies at the former member (if the licence or agreement asks for it)",
                "{blank}",
                "{blank}",
                "{blank}",
            ),
            (
                "Shared adapters and heads at the former member (hashes: {blank})",
                "{blank}",
                "{blank}",
                "{blank}",
            ),
            ("Single updates of the former member at the server", "{blank}", "{blank}", "{blank}"),
            ("Statistics sent before the first round", "{blank}", "{blank}", "{blank}"),
            ("Keys, masks, credentials", "{blank}", "{blank}", "{blank}"),
            ("Backups, and when they expire", "{blank}", "{blank}", "{blank}"),
        ),
        "choices": (
            "To be decided beforehand",
            (
                "Does leaving alone give a right to training anew, or only certain reasons (for"
                " example data that should not have been used): {blank}"
            ),
            "Who pays for it, and who bears worse results: {blank}",
            (
                "How requests of individual people for deletion, which reach a member while it"
                " takes part, are handled: {blank}"
            ),
            "The smallest number of members with which the cooperation goes on: {blank}",
        ),
    },
    "ja": {
        "title": (
            "参加会社が脱退する場合の責任分担",
            (
                "参加をやめること自体は容易で、以後の更新を送らなければ済みます。一方、"
                "それまでに学習した内容の扱いは別の問題です。本書では、モデルに"
                "残るもの、当該会社を除いた再学習の負担、および各当事者が行うべきことを整理します。"
            ),
        ),
        "remains": (
            "モデルに残るもの",
            (
                "文章は拠点の外に送信されないため、返還すべき文章はない。残るのは数値である。"
                "当該会社が最初に参加したラウンド以降の共有アダプターおよびヘッドには、"
                "その会社のデータから学習した内容が含まれる。"
            ),
            (
                "試行では{rounds}ラウンドにわたり更新を平均した。"
                "後のラウンドは前のラウンドの結果に基づくため、"
                "特定の会社の寄与だけを後から差し引くことはできない。"
            ),
            (
                "既に配布された複製（参加会社、製品、バックアップ）は、脱退によって変わらない。"
                "複製の一覧：{blank}"
            ),
            (
                "記録および報告書（本書を含む）にある統計および件数は、削除するまで残る。"
                "その扱い：{blank}"
            ),
        ),
        "limits": (
            "アンラーニング（学習内容の消去）で保証できないこと",
            (
                "当該会社のデータを学習していないと証明できるのは、"
                "そのデータを除いて初めから学習し直したモデルのみである。"
            ),
            (
                "近似的なアンラーニング（逆方向への少数回の更新、他社データによる追加学習）により、"
                "当該データに対する正解率が下がることはある。ただし、何も推測できなく"
                "なったことの証明にはならない。"
            ),
            "攻撃実験で何も見つからなかったことも、証明にはならない。",
            "脱退前に行われた予測、判断および派生モデルは、脱退によって取り消されない。",
        ),
        "promise_none": ("試行では、モデルに占める1社の寄与を限定する保証（ε）はない。",),
        "promise_example": (
            (
                "試行の保証は学習データ1件を単位とするものであり、"
                "1社が保有するデータ全体の寄与を限定するものではない。"
            ),
        ),
        "promise_client": (
            (
                "試行の保証は参加会社1社を単位とするため、"
                "共有モデルから当該会社について知り得ることはεによって限定される（εが小さいほど少ない）。"
                "ただし、これは上限であり、"
                "削除ではない。"
            ),
        ),
        "retrain": (
            "1社を除いて再学習する場合の負担",
            (
                "下表は、各社が脱退した場合に失われるものと、"
                "残る会社が試行で要した学習時間（実測）および通信量（送受信の合計）を示す。"
                "同じ計算機で同じラウンド数を、"
                "当該会社を除いて実行する場合の負担に相当する。除いた場合の正解率は、"
                "改めて試行して測る必要がある。"
            ),
            (
                "再実行するラウンド数：{rounds}。"
                "全社参加時の正解率：{accuracy}（95%信頼区間：{between}）。"
            ),
            (
                "1社のみが保有するラベルは、その会社なしでは学習できない。ヘッドから除くか、"
                "別途データを用意する。その対応：{blank}"
            ),
        ),
        "retrain_table": (
            (
                "脱退する会社",
                "失われる学習データ件数",
                "他社が保有しないラベル",
                "残る会社の学習時間",
                "残る会社の通信量",
            ),
        ),
        "steps": ("手順および担当",),
        "steps_table": (
            ("手順", "担当", "期限"),
            ("書面による通知（最後に参加するラウンドを明記）", "当該会社", "{blank}"),
            ("サーバーおよび共有領域へのアクセス権の停止", "{blank}", "{blank}"),
            ("保管中の当該会社の更新および統計の削除（バックアップを含む）", "{blank}", "{blank}"),
            ("方針の決定：現行モデルの継続／当該会社を除いた再学習／中止", "{blank}", "{blank}"),
            (
                "再学習する場合：新しいハッシュ値、旧モデルとの比較、全複製の差替え",
                "{blank}",
                "{blank}",
            ),
            ("脱退した会社による利用の停止、または資料3に基づく利用の継続", "{blank}", "{blank}"),
            (
                "プライバシーの再確認：会社数が減ると、合計値から各社について知り得ることが増える",
                "{blank}",
                "{blank}",
            ),
            ("記録、証明書および本手順書の保管", "{blank}", "{blank}"),
        ),
        "keys_none": (
            "鍵およびマスク",
            (
                "試行では秘匿集約を用いていない。サーバーは個々の更新を閲覧できたため、"
                "失効させる鍵はなく、保管された個々の更新の有無が確認の要点となる。"
            ),
            "当該会社の認証情報（アカウント、証明書、トークン）を失効させる者：{blank}",
        ),
        "keys_masks": (
            "鍵およびマスク",
            (
                "試行では更新にマスクを施し、合計値のみを読める形にした。ただし、"
                "教材用の実装であり安全ではない。本番運用では検証済みの実装を要する：{blank}"
            ),
            (
                "当該会社と共有した二者間の秘密情報は破棄し、再利用しない。"
                "合計に必要な最少の会社数を満たすことを確認する：{blank}"
            ),
            "当該会社の認証情報（アカウント、証明書、トークン）を失効させる者：{blank}",
        ),
        "keys_encrypted": (
            "鍵およびマスク",
            (
                "試行では更新を暗号化した（{secure}）。合計値を復号する鍵の保有者が、"
                "これを読める者となる。鍵の保有者：{blank}"
            ),
            "脱退後は新しい鍵を生成し、旧鍵は過去の暗号文の復号に必要な期間に限り保管する：{blank}",
            "当該会社の認証情報（アカウント、証明書、トークン）を失効させる者：{blank}",
        ),
        "certificate": (
            "削除証明書",
            (
                "各当事者は、実際に削除したものについて証明する。この証明は、"
                "モデルから学習内容が消去されたことを意味しない。"
            ),
        ),
        "certificate_table": (
            ("対象", "所在および削除方法", "日付", "署名者"),
            (
                "脱退した会社にある基盤モデルの複製（ライセンスまたは契約が求める場合）",
                "{blank}",
                "{blank}",
                "{blank}",
            ),
            (
                "脱退した会社にある共有アダプターおよびヘッド（ハッシュ値：{blank}）",
                "{blank}",
                "{blank}",
                "{blank}",
            ),
            ("サーバーにある当該会社の個々の更新", "{blank}", "{blank}", "{blank}"),
            ("第1ラウンドの前に送信された統計", "{blank}", "{blank}", "{blank}"),
            ("鍵、マスク、認証情報", "{blank}", "{blank}", "{blank}"),
            ("バックアップおよびその消去時期", "{blank}", "{blank}", "{blank}"),
        ),
        "choices": (
            "事前に決めておく事項",
            (
                "脱退のみで再学習を求められるか、"
                "特定の事由（例：利用すべきでなかったデータの混入）がある場合に限るか：{blank}"
            ),
            "再学習の費用負担者、および性能低下を負担する者：{blank}",
            "参加期間中に、本人から参加会社に削除等の請求があった場合の対応：{blank}",
            "共同学習を継続する最少の会社数：{blank}",
        ),
    },
}
