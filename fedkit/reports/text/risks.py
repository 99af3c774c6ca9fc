"""Words of document 5, the risk register. risk_*: (the risk, what the run shows, a measure)."""

from __future__ import annotations

WORDS: dict[str, dict] = {
    "en": {
        "title": (
            "Risk register",
            (
                "Risks that the trial's record gives reason to name. Likelihood and impact are for"
                " people to rate, who know the business; the record does not rate them."
            ),
        ),
        "how": (
            "How to use this register",
            "Scale of likelihood and impact: {blank}",
            (
                "Each risk gets an owner, who is a person; risks above this level go to management:"
                " {blank}"
            ),
        ),
        "register": ("Risks from the record",),
        "register_table": (
            ("No.", "Risk", "Likelihood", "Impact", "What the run shows", "Measure", "Owner"),
        ),
        "own": (
            "Risks that no record shows",
            (
                "For example: people, contracts, competition law, reputation, dependence on one"
                " supplier, the server's location."
            ),
        ),
        "own_table": (("Risk", "Likelihood", "Impact", "What is known", "Measure", "Owner"),),
        "review": (
            "Review",
            (
                "Reviewed when a member joins or leaves, when settings or the base model change,"
                " and at least every: {blank}"
            ),
        ),
        "risk_unfinished": (
            "Decision on a trial that is not finished",
            "{rounds} of {wanted} rounds are recorded.",
            "Finish or resume the run before anything is decided on it.",
        ),
        "risk_no_noise": (
            "Texts can be inferred from updates or from the model",
            "No noise that gives a promise: no epsilon in the record (privacy: {privacy}).",
            (
                "Decide whether a promise is needed; try differential privacy and measure what it"
                " costs in accuracy; run the attacks of the kit, whose failure is no proof."
            ),
        ),
        "risk_noise_limits": (
            "The promise is taken for more than it is",
            (
                "A promise with limits is in the record (privacy: {privacy}); it does not cover"
                " people with several texts, or choices made on the same data."
            ),
            "Quote epsilon only with unit, delta and whom to trust; judge it by its worst case.",
        ),
        "risk_seeded_noise": (
            "The noise can be computed again",
            "Noise follows a seed that stands in the record (privacy: {privacy}): for study only.",
            "In operation noise_from=system.",
        ),
        "risk_open_updates": (
            "Who runs the server reads each member's updates",
            "No secure aggregation (secure: {secure}).",
            (
                "Secure aggregation in a reviewed implementation, or a neutral server with a"
                " contract on access."
            ),
        ),
        "risk_masks": (
            "Teaching code is taken for protection",
            "Masks are simulated in one process and are not secure (secure: {secure}).",
            "A reviewed implementation before any real update is sent.",
        ),
        "risk_key_holder": (
            "Who holds the key can open updates",
            "Updates are encrypted (secure: {secure}); in the trial everything ran in one place.",
            "Key with somebody other than the server; key ceremony; reviewed implementation.",
        ),
        "risk_statistics": (
            "Statistics sent before the first round reveal a member's data",
            "Counts and sums for each label left every site once, before round one.",
            "Start the head at zero, or add noise to the statistics; agree on it in document 1.",
        ),
        "risk_counts": (
            "Sizes and label counts reveal business secrets",
            (
                "The record tells {counts} by member ({train} training examples in all); members"
                " learn each other's from it."
            ),
            "Restrict who reads the record; share totals only.",
        ),
        "risk_personal": (
            "Personal data in texts or label names",
            "The record does not say whether there is any.",
            "Run the readiness check, mask what it finds, read a sample; see document 6.",
        ),
        "risk_unproved": (
            "Training together brings less than hoped",
            (
                "The records given do not show a gain over local only that the interval supports."
                " Federated: {accuracy} ({between})."
            ),
            "Run all baselines over several seeds; accept a no.",
        ),
        "risk_worst": (
            "One member gains less than the others",
            "Worst member {worst_name}: {worst}, beside {accuracy} on the whole test set.",
            "Personal adapters or more data for that member; agree on a floor for every member.",
        ),
        "risk_small_test": (
            "The numbers are less certain than they look",
            "Test examples: {test}; 95% interval of the accuracy: {between}.",
            (
                "More test examples, chosen like those in operation, before a decision by small"
                " differences."
            ),
        ),
        "risk_one_seed": (
            "The result is luck of one split",
            "One seed in the records given (seed {seed}).",
            "Repeat over several seeds and judge by paired differences.",
        ),
        "risk_single_label": (
            "A label depends on one member",
            "Held by one member only: {single}.",
            (
                "Collect examples elsewhere; agree on what happens when that member leaves"
                " (document 4)."
            ),
        ),
        "risk_uneven_sizes": (
            "A large member dominates, a small one is seen through",
            "Training examples: from {least} ({small}) to {most} ({large}).",
            "Choose weights on purpose; look at the results of the small member.",
        ),
        "risk_failed": (
            "Updates fail or come late",
            "Updates that did not count: {failed}.",
            (
                "Deadlines, retries, and a rule for how many may be missing; look at the reasons in"
                " the record."
            ),
        ),
        "risk_harmful": (
            "A wrong or hostile update spoils the model",
            "Updates were averaged without a robust rule (robust: {robust}).",
            "Checks at the server, a robust rule, test before release, rollback (document 2).",
        ),
        "risk_attacked": (
            "Results of a run with staged attacks are read as normal ones",
            "This run had hostile members on purpose (attack: {attack}).",
            "Use a run without staged attacks for figures on benefit.",
        ),
        "risk_no_hash": (
            "Members use different base models unnoticed",
            "No sha256 of the weights in the record.",
            "Pin every file by hash (document 2).",
        ),
        "risk_licence": (
            "The licence of the base model does not allow the use",
            "Name and source are recorded ({model}, {model_source}); the licence is not.",
            "Have the licence confirmed before use (document 2).",
        ),
        "risk_simulated": (
            "Operation between real sites differs from the trial",
            "All sites were played on one computer: bytes are real, lines and machines are not.",
            "A pilot with two sites on separate machines; measure again.",
        ),
        "risk_leaving": (
            "A member leaves and asks to be forgotten",
            (
                "What was learned stays in the model; training the same rounds again took {seconds}"
                " over all members."
            ),
            "Settle document 4 before the start.",
        ),
        "risk_data_notes": (
            "Warnings of the run are overlooked",
            "Notes in the record: {notes}.",
            "Read them in the model card (document 7); mend what they name and run again.",
        ),
    },
    "ja": {
        "title": (
            "リスク登録簿",
            (
                "試行の記録から挙げられるリスクの一覧です。"
                "発生可能性と影響度は記録からは判断できないため、"
                "事業を知る関係者が評価してください。"
            ),
        ),
        "how": (
            "使い方",
            "発生可能性および影響度の評価尺度：{blank}",
            "各リスクに責任者（個人）を定める。次の水準を超えるリスクは経営層に報告する：{blank}",
        ),
        "register": ("記録に基づくリスク",),
        "register_table": (
            ("番号", "リスク", "発生可能性", "影響度", "試行で確認された事実", "対策", "責任者"),
        ),
        "own": (
            "記録に現れないリスク",
            "例：要員、契約、競争法、評判、特定の供給者への依存、サーバーの所在地。",
        ),
        "own_table": (("リスク", "発生可能性", "影響度", "把握している事実", "対策", "責任者"),),
        "review": (
            "見直し",
            (
                "参加会社の加入・脱退時、設定または基盤モデルの変更時に見直すほか、"
                "定期的な見直しの間隔：{blank}"
            ),
        ),
        "risk_unfinished": (
            "完了していない試行に基づく判断",
            "{wanted}ラウンド中{rounds}ラウンドまで記録済み。",
            "試行を完了または再開してから判断する。",
        ),
        "risk_no_noise": (
            "更新またはモデルから文章が推測される",
            "保証の根拠となるノイズはなく、記録にεの値がない（privacy：{privacy}）。",
            (
                "保証の要否を決める。差分プライバシーを試し、正解率への影響を測る。"
                "攻撃実験も行う（失敗しても安全の証明にはならない）。"
            ),
        ),
        "risk_noise_limits": (
            "プライバシー保証が過大に受け取られる",
            (
                "記録には限定付きの保証がある（privacy：{privacy}）。複数の文章を持つ個人や、"
                "同じデータを見て選んだ設定は対象外である。"
            ),
            "εは、保護の単位、δおよび信頼すべき相手とともに示し、最悪の場合の値で判断する。",
        ),
        "risk_seeded_noise": (
            "ノイズを再計算される",
            "ノイズは記録済みの乱数シードに従う（privacy：{privacy}）。検証用に限られる。",
            "本番運用では noise_from=system とする。",
        ),
        "risk_open_updates": (
            "サーバー運営者が各社の更新を閲覧できる",
            "秘匿集約を用いていない（secure：{secure}）。",
            "検証済みの秘匿集約を導入する。または、中立的なサーバーを用い、閲覧の制限を契約で定める。",
        ),
        "risk_masks": (
            "教材用の実装を実際の保護と誤認する",
            "マスクは単一プロセス内の模擬であり、安全ではない（secure：{secure}）。",
            "実際の更新を送信する前に、検証済みの実装に置き換える。",
        ),
        "risk_key_holder": (
            "鍵の保有者が更新を復号できる",
            "更新は暗号化されている（secure：{secure}）が、試行ではすべてを一か所で実行した。",
            "鍵はサーバー運営者以外が保有する。鍵の生成手順を定め、検証済みの実装を用いる。",
        ),
        "risk_statistics": (
            "第1ラウンド前に送信した統計から、各社のデータが推測される",
            "学習開始前に1回、ラベル別の件数および合計値が各拠点から送信された。",
            "ヘッドの初期値をゼロにするか、統計にノイズを加える。資料1で合意する。",
        ),
        "risk_counts": (
            "件数およびラベル別件数から営業上の秘密が推測される",
            "記録には会社別の{counts}（全社合計{train}件）が記載され、参加会社は互いの件数を知り得る。",
            "記録の閲覧者を限定し、共有は合計値に限る。",
        ),
        "risk_personal": (
            "文章またはラベル名に個人情報が含まれる",
            "有無は記録からはわからない。",
            "データ点検を実施し、検出された箇所をマスキングし、抜取りで目視確認する（資料6を参照）。",
        ),
        "risk_unproved": (
            "共同学習の効果が期待を下回る",
            (
                "今回の記録では、単独学習に対する優位が信頼区間をもって示されていない。"
                "連合学習：{accuracy}（{between}）。"
            ),
            "複数の乱数シードで全ベースラインを実行する。効果なしという結論も受け入れる。",
        ),
        "risk_worst": (
            "一部の参加会社だけ効果が小さい",
            "最も低い参加会社は{worst_name}で{worst}（評価用データ全体では{accuracy}）。",
            "当該会社向けの個別アダプターまたは追加データを検討し、全社に共通の下限値を合意する。",
        ),
        "risk_small_test": (
            "数値の不確かさが見過ごされる",
            "評価用データは{test}件、正解率の95%信頼区間は{between}。",
            "小さな差で判断する前に、実運用に近い評価用データを増やす。",
        ),
        "risk_one_seed": (
            "結果が一度の分割の偶然による",
            "今回の記録の乱数シードは1種類のみ（seed：{seed}）。",
            "複数の乱数シードで繰り返し、対応のある差で判断する。",
        ),
        "risk_single_label": (
            "特定のラベルが1社に依存する",
            "1社のみが保有するラベル：{single}。",
            "他所でもデータを集める。当該会社が脱退した場合の扱いを合意する（資料4）。",
        ),
        "risk_uneven_sizes": (
            "大規模な会社に偏る、または小規模な会社の内容が推測されやすい",
            "学習データ件数は最少{least}件（{small}）、最多{most}件（{large}）。",
            "重み付けを意図して選び、小規模な会社の結果を個別に確認する。",
        ),
        "risk_failed": (
            "更新の失敗または遅延",
            "集計に加わらなかった更新：{failed}件。",
            "期限、再送、および許容する欠落数を定める。記録にある理由を確認する。",
        ),
        "risk_harmful": (
            "誤った更新または悪意ある更新によりモデルが損なわれる",
            "外れた更新への対策なしに平均した（robust：{robust}）。",
            "サーバー側の検査、頑健な集約規則、公開前の試験、切戻し（資料2）。",
        ),
        "risk_attacked": (
            "攻撃を模擬した試行の結果を通常の結果と誤認する",
            "本試行には、意図的に攻撃役の参加会社を含めた（attack：{attack}）。",
            "効果を示す数値には、攻撃を模擬していない試行を用いる。",
        ),
        "risk_no_hash": (
            "参加会社間で異なる基盤モデルが使われ、気付かれない",
            "重みファイルのSHA-256が記録にない。",
            "全ファイルをハッシュ値で固定する（資料2）。",
        ),
        "risk_licence": (
            "基盤モデルのライセンスが本用途を認めていない",
            "名称および入手元（{model}、{model_source}）は記録されているが、ライセンスは記録されていない。",
            "利用前にライセンスを確認する（資料2）。",
        ),
        "risk_simulated": (
            "実際の拠点間での運用が試行と異なる",
            "全拠点を1台の計算機で再現した。通信量は実測だが、回線および機器は実物ではない。",
            "別々の機器を用いた2拠点で実証し、改めて測定する。",
        ),
        "risk_leaving": (
            "参加会社が脱退し、学習内容の消去を求める",
            (
                "学習した内容はモデルに残る。同じラウンドの再学習に要する時間は、"
                "試行の実測で全社合計{seconds}である。"
            ),
            "開始前に資料4の内容を合意する。",
        ),
        "risk_data_notes": (
            "試行時の注意が見落とされる",
            "記録には注記が{notes}件ある。",
            "モデルカード（資料7）で注記を確認し、必要に応じて直して再実行する。",
        ),
    },
}
