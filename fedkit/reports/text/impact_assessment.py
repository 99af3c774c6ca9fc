"""Words of document 6, the data-protection assessment: (heading, line, ...) or rows by key."""

from __future__ import annotations

WORDS: dict[str, dict] = {
    "en": {
        "title": (
            "Data-protection assessment: outline",
            (
                "Ordered like an impact assessment as the GDPR describes it in Article 35, and"
                " usable for an assessment under Japan's Act on the Protection of Personal"
                " Information (APPI). It states facts of the trial and asks questions; it does not"
                " say what the law requires."
            ),
        ),
        "about": (
            "Scope and status",
            (
                "Subject: training one model over {members} members, without collecting their texts"
                " in one place."
            ),
            "Whether an assessment is required, and who decides that: {blank}",
            (
                "Responsible for this assessment; data protection officer or the person in charge"
                " of personal information: {blank}"
            ),
        ),
        "purposes": (
            "Purposes and description",
            "Sorting texts into {labels} labels. Business purpose, and who benefits: {blank}",
            (
                "What is done: each site trains {trainable} numbers on its own texts ({tune}); the"
                " numbers are sent, averaged and returned, over {rounds} rounds."
            ),
            (
                "Use of the model afterwards; decisions about people that depend on it, and the"
                " part that a human has in them: {blank}"
            ),
            (
                "Purposes told to the people concerned when the texts were collected, and whether"
                " this one fits them: {blank}"
            ),
        ),
        "categories": (
            "Data and people concerned",
            (
                "Data: texts with one label each; {train} training, {validation} validation and"
                " {test} test examples over all members."
            ),
            (
                "People whom the texts are about or come from (customers, employees, patients,"
                " others), and about how many: {blank}"
            ),
            (
                "Personal data in the texts, direct and indirect; result of the readiness check:"
                " {blank}"
            ),
            (
                "Special categories or information that needs special care (health, belief,"
                " criminal record and the like), also where a label name itself says so: {blank}"
            ),
            "Children or other people who need particular protection: {blank}",
            "Where each member has its texts from, and how long it keeps them: {blank}",
        ),
        "necessity": (
            "Necessity and proportion",
            (
                "Could each member reach the purpose alone? Answer from the comparison with local"
                " only (see the brief): {blank}"
            ),
            (
                "Could fewer texts, shorter texts, masked texts or made-up texts do? Tried, with"
                " the result: {blank}"
            ),
            (
                "Is what leaves a site the least that is needed? In the trial {up_site} left each"
                " site; smaller settings tried: {blank}"
            ),
            (
                "Accuracy of the trial {accuracy} (95% interval {between}); worst member {worst}."
                " Is that enough for the purpose: {blank}"
            ),
            (
                "How people are informed, and how they use their rights (access, correction,"
                " deletion, objection): {blank}"
            ),
        ),
        "flows": (
            "Flows of data",
            "What goes from where to where. Bytes are those of the whole trial.",
        ),
        "flows_table": (
            ("From", "To", "What", "Bytes", "Country, operator", "Kept until"),
            (
                "Provider of the base model",
                "each site",
                "Base model {model}",
                "{base} for each site",
                "{blank}",
                "{blank}",
            ),
            (
                "Sites",
                "server",
                "Updates, and what was sent before the first round",
                "{up_all} by all sites",
                "{blank}",
                "{blank}",
            ),
            (
                "Server",
                "sites",
                "Shared adapter and head",
                "{down_all} to all sites",
                "{blank}",
                "{blank}",
            ),
            (
                "Trial",
                "readers of the record",
                "Settings, results, {counts} by member",
                "not counted",
                "{blank}",
                "{blank}",
            ),
            (
                "Site",
                "nobody",
                "Texts and the label of each text",
                "not sent",
                "{blank}",
                "{blank}",
            ),
        ),
        "risks": (
            "Risks to people",
            (
                "Those of the risk register (document 5) that reach the people whom texts are"
                " about. Ratings are for people to give."
            ),
        ),
        "risks_table": (
            ("Risk", "Likelihood", "Severity for people", "Possible measure", "Decided"),
        ),
        "measures": (
            "Measures",
            (
                "In place in the trial: texts stay at their site; payloads are checked; only"
                " tensors travel, no executable files; every run leaves a record."
            ),
            (
                "Settings: privacy {privacy}; secure {secure}; rule against harmful updates"
                " {robust}; compression {wire}."
            ),
            (
                "Further measures before operation, organisational, human, physical and technical:"
                " {blank}"
            ),
        ),
        "residual": (
            "Residual risk",
            (
                "That texts stay at their site does not mean that nothing about them can be"
                " inferred from what is sent or from the model."
            ),
            "Risk that is left after the measures, and who accepts it: {blank}",
            "If it stays high: consultation of the authority, or no start: {blank}",
        ),
        "views": (
            "Views asked for",
            "People concerned or their representatives (works council, customers): {blank}",
            (
                "Data protection officer; information security; each member's legal department:"
                " {blank}"
            ),
        ),
        "gdpr": (
            "Questions for the lawyers: GDPR",
            (
                "Are updates, adapters and the head personal data, in the hands of the server and"
                " in those of the other members?"
            ),
            (
                "Are the members joint controllers; is whoever runs the server a processor; which"
                " agreements follow?"
            ),
            (
                "Which legal basis carries the training, and which the later use? Is it compatible"
                " with the purpose of collection?"
            ),
            "Do updates go to a third country, and on which basis?",
            (
                "Do rights of erasure and objection reach into a model that has been trained (see"
                " document 4)?"
            ),
            "Does the use come near automated decisions about individuals?",
            "Do other rules apply as well (rules on AI, secrecy in the sector, employment law)?",
        ),
        "appi": (
            "Questions for the lawyers: Japan (APPI)",
            (
                "Do updates, adapters and the head count as personal information, personal data or"
                " personally referable information, for each recipient?"
            ),
            (
                "Is sending them a provision to a third party, an entrustment, joint use, or none"
                " of these?"
            ),
            (
                "Is the purpose of use specified and made known so that it covers training and"
                " later use of the model?"
            ),
            (
                "Would pseudonymously or anonymously processed information be an option for the"
                " texts, and what would follow from it?"
            ),
            "Do the texts hold special care-required personal information?",
            (
                "Is there a provision to a third party in a foreign country, for example by the"
                " server's location?"
            ),
            (
                "Which security control measures, records and supervision of employees and"
                " contractors apply; when is a leak reported?"
            ),
            (
                "How are requests for disclosure, correction and cease of use handled, with regard"
                " to trained models?"
            ),
        ),
        "signoff": (
            "Decision and signatures",
            "Result (start / start with conditions / no start), conditions, next review: {blank}",
        ),
        "signoff_table": (("Role", "Name", "Date", "Signature"),),
    },
    "ja": {
        "title": (
            "データ保護影響評価の骨子",
            (
                "GDPR第35条に示された影響評価の構成を参考にし、"
                "日本の個人情報の保護に関する法律（個人情報保護法）を踏まえた評価（PIA）にも利用できるよう整理した"
                "ものです。試行の事実と確認すべき問いを記載しており、法令の要求内容を示すものではありません。"
            ),
        ),
        "about": (
            "対象および位置付け",
            "対象：{members}社の文章を一か所に集めずに、一つのモデルを学習させること。",
            "本評価の要否およびその判断者：{blank}",
            "本評価の責任者、データ保護責任者または個人情報保護管理者：{blank}",
        ),
        "purposes": (
            "目的および処理の概要",
            "文章を{labels}種類のラベルに分類する。業務上の目的および受益者：{blank}",
            (
                "処理の内容：各拠点が自社の文章で{trainable}個の数値を学習し（{tune}）、"
                "その数値の送信、平均、返送を{rounds}ラウンド行う。"
            ),
            "学習後のモデルの用途、個人に関する判断への利用の有無、および人の関与：{blank}",
            "文章の取得時に本人へ示した利用目的、および本目的との関係：{blank}",
        ),
        "categories": (
            "対象となるデータおよび本人",
            (
                "データ：ラベルが一つ付いた文章。全社合計で学習用{train}件、検証用{validation}件、"
                "評価用{test}件。"
            ),
            "文章の対象者または作成者（顧客、従業員、患者等）およびおおよその人数：{blank}",
            "文章に含まれる個人情報（間接的に識別できるものを含む）およびデータ点検の結果：{blank}",
            (
                "要配慮個人情報等（健康、信条、犯罪の経歴等）の有無。"
                "ラベル名自体がこれを示す場合を含む：{blank}"
            ),
            "未成年者など、特に保護を要する者の有無：{blank}",
            "各社における文章の取得元および保存期間：{blank}",
        ),
        "necessity": (
            "必要性および相当性",
            "各社単独で目的を達成できるか。単独学習との比較（意思決定資料を参照）に基づく回答：{blank}",
            (
                "より少ない文章、短い文章、マスキングした文章または人工的に作成した文章で足りるか。"
                "試した内容と結果：{blank}"
            ),
            (
                "送信するものは必要最小限か。試行では1拠点あたり{up_site}を送信した。"
                "より小さい設定を試した結果：{blank}"
            ),
            (
                "試行の正解率は{accuracy}（95%信頼区間：{between}）、"
                "最も低い参加会社で{worst}である。目的に照らして十分か：{blank}"
            ),
            "本人への説明の方法、および本人からの請求（開示、訂正、削除、利用停止等）への対応：{blank}",
        ),
        "flows": ("データの流れ", "送信元、送信先および内容を示す。通信量は試行全体のもの。"),
        "flows_table": (
            ("送信元", "送信先", "内容", "通信量", "所在国・運営者", "保存期限"),
            (
                "基盤モデルの提供者",
                "各拠点",
                "基盤モデル（{model}）",
                "1拠点あたり{base}",
                "{blank}",
                "{blank}",
            ),
            (
                "各拠点",
                "サーバー",
                "更新、および第1ラウンド前の送信内容",
                "全拠点合計{up_all}",
                "{blank}",
                "{blank}",
            ),
            (
                "サーバー",
                "各拠点",
                "共有アダプターおよびヘッド",
                "全拠点合計{down_all}",
                "{blank}",
                "{blank}",
            ),
            (
                "試行",
                "記録の閲覧者",
                "設定、結果、会社別の{counts}",
                "計測対象外",
                "{blank}",
                "{blank}",
            ),
            ("各拠点", "なし", "文章、および文章ごとのラベル", "送信しない", "{blank}", "{blank}"),
        ),
        "risks": (
            "本人に対するリスク",
            "リスク登録簿（資料5）のうち、文章に関係する本人に影響が及ぶものを示す。評価は関係者が行う。",
        ),
        "risks_table": (
            ("リスク", "発生可能性", "本人への影響の大きさ", "考えられる対策", "決定事項"),
        ),
        "measures": (
            "安全管理のための措置",
            (
                "試行での措置：文章を拠点内に保持する。送信データを検査する。"
                "送信はテンソルのみとし、実行可能なファイルを含めない。学習の都度、記録を残す。"
            ),
            "設定：privacy＝{privacy}、secure＝{secure}、有害な更新への対策＝{robust}、圧縮＝{wire}。",
            "本番運用までに追加する措置（組織的、人的、物理的および技術的）：{blank}",
        ),
        "residual": (
            "残存リスク",
            "文章が拠点に残っていても、送信内容またはモデルから文章に関する情報が推測されないとは限らない。",
            "措置を講じた後に残るリスク、およびこれを受容する者：{blank}",
            "リスクが高いまま残る場合の対応（監督機関への相談、開始の見送り等）：{blank}",
        ),
        "views": (
            "意見の聴取",
            "本人またはその代表者（労働組合、顧客等）：{blank}",
            "データ保護責任者、情報セキュリティ部門、各社の法務部門：{blank}",
        ),
        "gdpr": (
            "法務担当者への確認事項：GDPR",
            "更新、アダプターおよびヘッドは、サーバー運営者および他の参加会社において、個人データに当たるか。",
            "参加会社は共同管理者に当たるか。サーバー運営者は処理者に当たるか。必要となる契約は何か。",
            "学習および学習後の利用の法的根拠は何か。取得時の目的と両立するか。",
            "更新の第三国への移転はあるか。ある場合の根拠は何か。",
            "消去権および異議申立権は、学習済みのモデルに及ぶか（資料4を参照）。",
            "個人に対する自動化された意思決定に近い利用か。",
            "他の規律（AI規制、業界固有の守秘義務、労働法等）の適用はあるか。",
        ),
        "appi": (
            "法務担当者への確認事項：個人情報保護法",
            "更新、アダプターおよびヘッドは、受領者ごとに、個人情報、個人データまたは個人関連情報に当たるか。",
            "これらの送信は、第三者提供、委託、共同利用のいずれかに当たるか、またはいずれにも当たらないか。",
            "利用目的は、学習および学習後のモデルの利用を含む形で特定され、通知または公表されているか。",
            "文章を仮名加工情報または匿名加工情報とすることは選択肢となるか。その場合に必要となる対応は何か。",
            "文章に要配慮個人情報は含まれるか。",
            "サーバーの所在地等により、外国にある第三者への提供に当たる場合があるか。",
            (
                "適用される安全管理措置、記録、従業者および委託先の監督は何か。"
                "漏えい等が生じた場合の報告はどう行うか。"
            ),
            "開示、訂正、利用停止等の請求に対し、学習済みモデルをどう取り扱うか。",
        ),
        "signoff": (
            "結論および承認",
            "結論（開始／条件付きで開始／開始しない）、条件および次回の見直し：{blank}",
        ),
        "signoff_table": (("役割", "氏名", "日付", "署名・押印"),),
    },
}
