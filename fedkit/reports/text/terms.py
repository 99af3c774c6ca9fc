"""Words of document 1, the outline of terms: (heading, line, ...) by key, or table rows."""

from __future__ import annotations

_EN_SEES = (
    ("What", "The member itself", "Who runs the server", "Other members", "Outsiders"),
    ("Texts, and the label of each text", "yes", "not sent", "not sent", "not sent"),
)
_EN_SEEN = (
    ("Shared adapter and head after each round", "yes", "yes", "yes", "only as agreed: {blank}"),
    (
        "Accuracy per member; {counts} per member (they stand in the record)",
        "yes",
        "yes",
        "whoever reads the record or this document: {blank}",
        "only as agreed: {blank}",
    ),
)
_JA_SEES = (
    ("対象", "当該参加会社", "サーバー運営者", "他の参加会社", "第三者"),
    ("文章、および文章ごとのラベル", "可", "送信されない", "送信されない", "送信されない"),
)
_JA_SEEN = (
    ("各ラウンド後の共有アダプターおよびヘッド", "可", "可", "可", "合意した範囲のみ：{blank}"),
    (
        "参加会社別の正解率、{counts}（試行記録に記載される）",
        "可",
        "可",
        "試行記録または本書の閲覧者：{blank}",
        "合意した範囲のみ：{blank}",
    ),
)

WORDS: dict[str, dict] = {
    "en": {
        "title": (
            "Data use and cooperation: outline of terms",
            (
                "An outline of what an agreement between the members may settle before they train a"
                " model together. What the trial showed is stated as a fact of the trial; what the"
                " members want is left open."
            ),
        ),
        "purpose": (
            "Purpose",
            (
                "The members train one model together that sorts texts into {labels} labels, while"
                " each keeps its texts."
            ),
            "Business purpose of the model, and decisions that it supports: {blank}",
            "Purposes that are excluded (for example the evaluation of individual people): {blank}",
            "Stage: the terms cover a pilot / regular operation (strike out one): {blank}",
        ),
        "parties": (
            "Parties and roles",
            (
                "The trial knew the members by the names below. Contracting parties are to be"
                " filled in."
            ),
            "Who runs the server, and in which country: {blank}",
            (
                "Who decides on settings, admission of new members and release of a model (steering"
                " group, majorities): {blank}"
            ),
        ),
        "data": (
            "Data that each member contributes",
            (
                "In the trial: {train} training, {validation} validation and {test} test examples,"
                " each a text with a label. The test examples served all members; where they come"
                " from and who keeps them in operation: {blank}"
            ),
            (
                "Each member confirms that it may use its texts for this purpose. Basis (consent,"
                " contract, law, terms of use): {blank}"
            ),
            (
                "Whether texts hold personal data, data of customers under confidentiality, or"
                " works of others, and how they are removed or masked beforehand: {blank}"
            ),
            (
                "Quality: who defines the labels, how they are assigned, and the check that data"
                " passes before it is used: {blank}"
            ),
        ),
        "leaves": (
            "What leaves a site, and what does not",
            (
                "Only what is listed here may leave a site. Anything further needs a written change"
                " of these terms."
            ),
            (
                "Form: tensors of the part that is trained ({tune}: {trainable} numbers),"
                " serialised; no texts, no file that executes code."
            ),
            (
                "Traffic of the whole trial: {up_all} sent and {down_all} received by all members"
                " together, without the first download of the base model ({base} for each member)."
            ),
            (
                "How long the server keeps an update of a single member, and when it is deleted:"
                " {blank}"
            ),
        ),
        "privacy": (
            "Protection of privacy",
            (
                "The sentences below describe the trial. The level required in operation (epsilon,"
                " unit, delta; or none): {blank}"
            ),
            (
                "Settings of the trial: privacy {privacy}; secure {secure}. Who may change them,"
                " and with whose consent: {blank}"
            ),
            (
                "Members and the server do not try to rebuild texts from updates or models, nor to"
                " find out whether a certain text or person was in the data. Agreed tests of"
                " exactly this are allowed: {blank}"
            ),
        ),
        "sees": ("Who may see what", "As it was in the trial; what differs in operation: {blank}"),
        "sees_open": (
            *_EN_SEES,
            ("Update of a single member in a round", "yes", "yes, one by one", "no", "no"),
            *_EN_SEEN,
        ),
        "sees_sums": (
            *_EN_SEES,
            (
                "Update of a single member in a round",
                "yes",
                "only the sum, if the lock is a reviewed one",
                "no",
                "no",
            ),
            *_EN_SEEN,
        ),
        "use": (
            "Permitted use",
            (
                "Each member may use the shared adapter and head in its own business for the"
                " purpose in clause 1. Affiliates and contractors: {blank}"
            ),
            "Licensing, sale or publication outside the members only with the consent of: {blank}",
            "Every use keeps the licence terms of the base model (see document 2).",
            "Reports to authorities, customers and the public about the model: {blank}",
        ),
        "security": (
            "Security and audit",
            (
                "Measures at each site and at the server (access, encryption in transit and at"
                " rest, logs, patching): {blank}"
            ),
            (
                "Payloads with wrong names, sizes or values are rejected and recorded with a"
                " reason. Rule against harmful updates in the trial: {robust}."
            ),
            (
                "Every run leaves a record (settings, bytes, hashes, results per member). Who keeps"
                " it, how long, and who may read it: {blank}"
            ),
            (
                "Right of each member to have the server and the records examined; notice,"
                " frequency, cost: {blank}"
            ),
            "An incident is reported to the other members within {blank}; contact points: {blank}",
        ),
        "results": (
            "Rights in results",
            (
                "Texts and labels remain with the member that they come from. Adapters, heads and"
                " derived models: see document 3."
            ),
            "Inventions and know-how made together; right to publish: {blank}",
        ),
        "cost": (
            "Cost",
            (
                "Each member bears the cost of its own site. Shared cost (server, people, reviews)"
                " is split as follows: {blank}"
            ),
            "A member that contributes much more or much less than others: {blank}",
        ),
        "liability": (
            "Warranty and liability",
            (
                "Results of the trial are no assurance of results in operation. Accuracy in the"
                " trial: {accuracy} (95% interval {between})."
            ),
            (
                "Liability for data brought in without a right, for harmful updates, for wrong"
                " predictions, for a breach of secrecy: {blank}"
            ),
            "Caps, exclusions, indemnities, insurance: {blank}",
        ),
        "secrets": (
            "Confidentiality and competition",
            (
                "Confidential are in particular updates of single members, label counts per member,"
                " and results per member. Period: {blank}"
            ),
            (
                "If members compete with one another: what must not be exchanged, and who watches"
                " over it (counts per label may already reveal volumes of business): {blank}"
            ),
        ),
        "term": (
            "Term",
            "Start, length, renewal: {blank}",
            (
                "Milestones at which the members decide to go on or to stop, with the figures that"
                " decide: {blank}"
            ),
        ),
        "exit": (
            "Exit",
            "Notice period; exit for cause; exclusion of a member: {blank}",
            (
                "What has been learned from a member's data remains in models that exist already."
                " What follows from this is settled in document 4."
            ),
            (
                "End of the cooperation as a whole; what becomes of server, records and models:"
                " {blank}"
            ),
        ),
        "general": (
            "General",
            "Governing law and place of jurisdiction or arbitration: {blank}",
            (
                "Order of precedence among these terms, existing agreements between members, and"
                " licence terms: {blank}"
            ),
            (
                "Compliance clauses that each member needs (export control, anti-corruption,"
                " exclusion of organised crime): {blank}"
            ),
        ),
        "sign": (
            "Signatures",
            "To be signed once the blanks are filled in and the text has been reviewed.",
        ),
        "signatures": (("Party", "Name and title", "Date", "Signature"),),
    },
    "ja": {
        "title": (
            "データ利用および共同学習に関する契約条項の骨子",
            (
                "参加会社が共同でモデルを学習させるにあたり、契約で定めておくべき事項の骨子です。"
                "試行で確認された事実は事実として記載し、"
                "当事者の意思で決める事項は空欄としています。"
            ),
        ),
        "purpose": (
            "目的",
            (
                "参加会社は、各社の文章を自社内に置いたまま、"
                "文章を{labels}種類のラベルに分類するモデルを共同で学習させる。"
            ),
            "モデルの業務上の用途、およびモデルを用いて行う判断：{blank}",
            "対象外とする用途（例：個人の評価）：{blank}",
            "適用段階（実証実験／本番運用のいずれか）：{blank}",
        ),
        "parties": (
            "当事者および役割",
            "試行記録における参加会社の名称は下表のとおり。契約当事者の正式名称等は別途記入する。",
            "サーバー運営者およびサーバーの所在国：{blank}",
            "設定の変更、新規参加の承認、モデルの公開を決定する機関と議決要件（運営委員会等）：{blank}",
        ),
        "data": (
            "各参加会社が用いるデータ",
            (
                "試行で用いたデータは、学習用{train}件、検証用{validation}件、"
                "評価用{test}件であり、いずれも文章とラベルの組である。評価用データは全社"
                "共通とした。本番運用における評価用データの出所および管理者：{blank}"
            ),
            (
                "各参加会社は、自社の文章を本目的に利用する権限を有することを確認する。"
                "その根拠（本人の同意、契約、法令、利用規約等）：{blank}"
            ),
            (
                "文章に個人情報、顧客の秘密情報または第三者の著作物が含まれるか否か、"
                "および事前の除去・マスキングの方法：{blank}"
            ),
            "品質：ラベルの定義者、付与の方法、利用前に行う点検：{blank}",
        ),
        "leaves": (
            "拠点から送信されるもの・されないもの",
            (
                "拠点から送信してよいものは、本条に列挙するものに限る。"
                "これ以外のものを送信するには、書面による本条項の変更を要する。"
            ),
            (
                "形式：学習対象部分のテンソル（{tune}、"
                "{trainable}個の数値）をシリアライズしたもの。"
                "文章および実行可能なコードを含むファイルは送信しない。"
            ),
            (
                "試行全体の通信量：全社合計で送信{up_all}、受信{down_all}。"
                "基盤モデルの初回取得分（1社あたり{base}）は含まない。"
            ),
            "個々の参加会社の更新をサーバーが保管する期間および削除の時期：{blank}",
        ),
        "privacy": (
            "プライバシーの保護",
            (
                "以下は試行における状況である。本番運用で求める水準（ε、保護の単位、δ。"
                "求めない場合はその旨）：{blank}"
            ),
            (
                "試行の設定：privacy＝{privacy}、secure＝{secure}。設定を変更できる者、"
                "および変更に同意を要する者：{blank}"
            ),
            (
                "参加会社およびサーバー運営者は、更新またはモデルから文章を復元しようとする行為、"
                "ならびに特定の文章または個人がデータに含まれるか否かを"
                "推定しようとする行為をしてはならない。ただし、合意した検証は除く。その範囲：{blank}"
            ),
        ),
        "sees": ("閲覧できる者の範囲", "下表は試行時の状況である。本番運用で異なる点：{blank}"),
        "sees_open": (
            *_JA_SEES,
            (
                "1ラウンドにおける個々の参加会社の更新",
                "可",
                "可（1社ごとに閲覧可能）",
                "不可",
                "不可",
            ),
            *_JA_SEEN,
        ),
        "sees_sums": (
            *_JA_SEES,
            (
                "1ラウンドにおける個々の参加会社の更新",
                "可",
                "合計値のみ（検証済みの秘匿化方式を用いる場合）",
                "不可",
                "不可",
            ),
            *_JA_SEEN,
        ),
        "use": (
            "許諾される利用",
            (
                "各参加会社は、第1条の目的の範囲で、"
                "共有アダプターおよびヘッドを自社の業務に利用できる。"
                "関係会社および委託先による利用：{blank}"
            ),
            "参加会社以外への使用許諾、販売または公開には、次の者の同意を要する：{blank}",
            "利用にあたっては、基盤モデルのライセンス条件を遵守する（資料2を参照）。",
            "本モデルに関する官公庁、顧客および一般への説明：{blank}",
        ),
        "security": (
            "安全管理および監査",
            (
                "各拠点およびサーバーで講じる措置（アクセス制御、通信時・保管時の暗号化、"
                "ログの取得、更新プログラムの適用）：{blank}"
            ),
            (
                "名称、大きさまたは値が正しくない送信データは受け付けず、理由とともに記録する。"
                "試行における有害な更新への対策：{robust}。"
            ),
            (
                "学習の都度、記録（設定、通信量、ハッシュ値、参加会社別の結果）を作成する。"
                "その保管者、保管期間および閲覧権限：{blank}"
            ),
            "各参加会社がサーバーおよび記録を監査する権利（事前通知、頻度、費用負担）：{blank}",
            "事故が発生した場合の他の参加会社への通知期限：{blank}、連絡窓口：{blank}",
        ),
        "results": (
            "成果の取扱い",
            (
                "文章およびラベルに関する権利は、これを保有する参加会社に留保される。アダプター、"
                "ヘッドおよび派生モデルについては資料3による。"
            ),
            "共同で得た発明・ノウハウの取扱い、および成果公表の権利：{blank}",
        ),
        "cost": (
            "費用",
            "各参加会社は自社拠点の費用を負担する。共通費用（サーバー、人員、審査等）の分担：{blank}",
            "データ量などの貢献に著しい差がある場合の調整：{blank}",
        ),
        "liability": (
            "保証および責任",
            (
                "試行の結果は、本番運用における成果を保証するものではない。"
                "試行における正解率は{accuracy}（95%信頼区間：{between}）である。"
            ),
            "権限なく利用されたデータ、有害な更新、誤った予測、秘密保持義務違反に関する責任：{blank}",
            "責任の上限、免責、補償、保険：{blank}",
        ),
        "secrets": (
            "秘密保持および競争法上の配慮",
            (
                "個々の参加会社の更新、参加会社別のラベル別件数、および参加会社別の結果は、"
                "特に秘密情報として扱う。秘密保持の期間：{blank}"
            ),
            (
                "参加会社間に競争関係がある場合に交換してはならない情報、"
                "およびその監視者（ラベル別の件数から事業の規模が推測される可能性がある）：{blank}"
            ),
        ),
        "term": (
            "期間",
            "開始日、有効期間および更新：{blank}",
            "継続または中止を判断する時期、および判断に用いる指標：{blank}",
        ),
        "exit": (
            "脱退および終了",
            "予告期間、正当事由による即時脱退、参加会社の除名：{blank}",
            "参加会社のデータから学習した内容は、既存のモデルに残る。これに伴う取扱いは資料4に定める。",
            "共同学習全体を終了する場合の、サーバー、記録およびモデルの取扱い：{blank}",
        ),
        "general": (
            "一般条項",
            "準拠法、および管轄裁判所または仲裁：{blank}",
            "本条項、参加会社間の既存契約およびライセンス条件の優先関係：{blank}",
            "各参加会社が必要とする遵守条項（輸出管理、贈収賄の防止、反社会的勢力の排除等）：{blank}",
        ),
        "sign": (
            "署名・記名押印",
            "空欄をすべて記入し、内容の確認を終えた後に署名または記名押印する。",
        ),
        "signatures": (("当事者", "役職・氏名", "日付", "署名・押印"),),
    },
}
