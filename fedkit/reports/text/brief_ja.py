"""The brief in Japanese. A test checks that `brief_en` has the same keys and places."""

from __future__ import annotations

PROMISE = {
    "unit.example": "学習データ1件（文章とラベル）",
    "unit.client": "1社の全データ",
    "privacy.none": (
        "差分プライバシーは使っておらず、εの保証はありません。更新から文章を推測される可能性があります。"
    ),
    "privacy.promise": (
        "差分プライバシー：ε={epsilon}、δ={delta}、単位は{unit}、隣接関係は1単位の追加・削除、"
        "計算方法は{accountant}です。"
    ),
    "privacy.worst": (
        "送信内容をすべて見た人が、ある単位の有無を当てる確率は最大{share}です（{worth}）。"
    ),
    "privacy.worst_certain": (
        "送信内容をすべて見た人が、"
        "ある単位の有無を{share}を超える確率で当てる可能性があります（{worth}）。"
    ),
    "worth.strong": "強い保証",
    "worth.fair": "確信は持たせない保証",
    "worth.weak": "弱い上限",
    "privacy.trust": "信頼が必要な相手：{who}。",
    "trust.nobody": "拠点の外にはなし（拠点がノイズをすべて加えます）",
    "trust.sums": "合計値しか見ないサーバーと、ノイズを分担する各拠点",
    "trust.server": "サーバー（全更新を見て、ノイズを加えます）",
    "privacy.example_not": (
        "対象外：複数の文章を持つ個人、評価用の文章、結果を見て選んだ設定、ラベル名、拠点の件数。"
    ),
    "privacy.client_not": (
        "対象外：評価用の文章、結果を見て選んだ設定、ラベル名、参加企業名とその件数。"
    ),
    "privacy.few": "{sites}社では保護の単位が特定されやすく、参加者が多いほど意味を持つ保証です。",
    "privacy.sampled": "これは抽選が秘密であることが前提です。{who}に対してはε={epsilon}です。",
    "sampled.example": "拠点が抽出した行を知る人",
    "sampled.client": "誰が参加したかを知る相手（サーバー、通信経路、記録の読者）",
    "privacy.seed": (
        "ノイズは検証用の記録済みシードに従います。実運用では noise_from=system が必要です。"
    ),
    "privacy.masks": (
        "サーバーが読むのは合計値だけです（教材用の簡易実装で、安全性は保証されません）。"
        "秘匿集約は差分プライバシーではありません。"
    ),
    "privacy.ckks": (
        "サーバーは読めないまま加算します（鍵管理は学習用で、安全ではありません）。"
        "暗号化は差分プライバシーではありません。"
    ),
    "privacy.server_sees": "サーバーは、各拠点の更新を個別に見られます。",
    "privacy.lora": "LoRAはプライバシー保護ではなく、少ない数値からも文章は漏れ得ます。",
    "left.updates": "{what}の更新：毎回{numbers}個の数値を{rounds}ラウンド、1拠点で計{size}。",
    "left.what_adapter": "アダプター（{tune}）とヘッド",
    "left.what_head": "分類ヘッド",
    "left.what_full": "モデル全体",
    "left.what_part": "モデルの一部（{tune}）とヘッド",
    "left.statistics": "第1ラウンド前：ラベル別件数と文ベクトルの合計（1拠点{size}）。",
    "left.counts": "件数、ラベル名、参加の時点。",
    "left.wire": "圧縮済み（{wire}）。圧縮はプライバシー保護ではありません。",
    "left.sealed": "合計値だけが読める形で送信（学習用で、安全ではありません）。",
    "left.noise": "プライバシー欄のとおり、ノイズを付加。",
    "left.simulated": (
        "1台の計算機での試行です。通信量は作成した送信データの大きさで、実回線は使っていません。"
    ),
    "stayed.text": "すべての文章と、そのラベル（学習データ{examples}件）。",
    "stayed.base": "基盤モデル：受信は1回だけで、変更も返送もなし。",
    "stayed.rest": "基盤モデルの残り：返送するのは微調整した部分だけ。",
    "stayed.full": "モデルは残りません。全体の更新を送ります。",
    "stayed.parts": "共有しないモデルの部分（共有するのは{parts}だけです）。",
    "stayed.inferred": "ただし、送ったものから推測される可能性はあります（プライバシー欄参照）。",
}

RETURNS = {
    "assume.reports_per_company": "1社あたりの年間件数",
    "assume.minutes_per_right_answer": "正解1件で減る作業時間",
    "assume.hourly_cost": "作業1時間あたりの人件費",
    "assume.setup_per_site": "1拠点の初期費用",
    "assume.running_per_site": "1拠点の年間運用費",
    "assume.traffic_price_per_gb": "通信1 GBあたりの費用",
    "assume.trainings_per_year": "年間の学習回数",
    "assume.gain": "正解の増加分（実測）",
    "assume.range": "{low}〜{high}",
    "unit.reports_per_company": "{value}件",
    "unit.minutes_per_right_answer": "{value}分",
    "unit.trainings_per_year": "{value}回",
    "source.assumption": "仮定（未計測）",
    "source.given": "利用者が入力",
    "source.run": "run.jsonの{path}",
    "source.modelled": "run.jsonのrounds[].clients[]から試算",
    "source.money_short": "仮定と、run.jsonの通信量",
    "source.returns": "実測の増加分×仮定",
    "returns.unknown": "試算していません。各社が単独で得られる精度の記録がありません。",
    "returns.never": (
        "仮定では、効果が年{gain}、運用費{running}、初期費用{setup}となり、回収できません。"
    ),
    "returns.paid": (
        "仮定では、効果が年{gain}、運用費{running}、差引{net}。初期費用{setup}は{months}か月で回収。"
    ),
    "returns.even": "収支ゼロ：{name} {at}。",
    "returns.still": "年間収支にほとんど影響しない仮定：{names}。",
    "returns.no_even": (
        "日常業務での正解が単独より増えていないため、どの仮定でも収支はゼロに届きません。"
    ),
}

RULES = {
    "rule.baselines": "比較5種類が同じ設定でそろう",
    "rule.local": "単独学習を95%区間を超えて上回る",
    "rule.cheap": "単独での安価な方法（固定エンコーダー）を同様に上回る",
    "rule.daily": "日常業務で、単独での最良を同様に上回る",
    "rule.nobody": "単独より悪くなる企業がない",
    "rule.time": "全機器・回線で{limit}に収まる",
    "rule.privacy": "必要なプライバシーを保証",
    "rule.tests": "差に対して評価データが足りる",
    "rule.seeds": "乱数シード{seeds}個以上",
    "rule.pays": "初期費用を{months}か月以内に回収",
    "found.missing": "不足：{names}",
    "found.unlike": "設定が異なるもの：{names}",
    "found.whole": "すべてあり",
    "found.no_record": "不明（記録なし）",
    "found.gap": "{value}、95%区間 {interval}",
    "found.short": "{value}［{interval}］",
    "found.losers": "悪化：{names}（最小{least}）",
    "found.winners": "最小：{id}、{least}",
    "found.longest": "最長：{time}（基盤モデル込み）",
    "found.privacy_unsaid": "{promised}、必要な水準は未定",
    "found.privacy": "必要：{asked}、保証：{promised}",
    "found.tests_none": "{n}件では差を示せません",
    "found.tests": "{n}件で示せる差は{smallest}",
    "found.seeds": "シード数：{n}",
    "found.never": "年間{net}：回収不可",
    "found.paid": "{months}か月、年間{net}",
    "why.cheap": "各社が単独で使える安価な方法を上回っていません：{found}",
    "why.daily": "各社の日常業務では、連合学習の効果がありませんでした：{found}",
    "why.nobody": "全社が単独より悪くなります：{found}",
    "need.none": "保証は不要",
    "need.sums": "サーバーが読むのは合計値のみ",
    "need.example": "学習データ1件あたりε≦{epsilon}",
    "need.client": "1社あたりε≦{epsilon}",
    "promise.none": "なし",
    "promise.sums": "εの保証なし（サーバーが読むのは合計値のみ）",
    "promise.epsilon": "{unit}あたりε={epsilon}（δ={delta}）",
    "promise.example": "学習データ1件",
    "promise.client": "1社",
    "condition.baselines": "不足している、または設定が異なる比較を実施する：{names}。",
    "condition.local": "単独学習に対する改善を示す（評価データ、シード、参加企業を増やす）。",
    "condition.cheap": "各社が単独で使える安価な方法に対する改善を示す。",
    "condition.daily": "各社の日常業務での改善を示す。",
    "condition.daily_more": (
        "各社の日常業務での改善を示す（評価データが約{daily}件あれば判断できます）。"
    ),
    "condition.nobody": "悪くなる企業と合意するか、その企業向けの部分を拠点に残す。",
    "condition.time": "回線や機器を速くする、ラウンドを減らす、または時間枠を広げる。",
    "condition.privacy": "必要なプライバシーの水準を文書で定め、その設定で試行し直す。",
    "condition.tests": "評価データを{wanted}件以上集める。",
    "condition.seeds": "{seeds}個以上の乱数シードで繰り返す。",
    "condition.pays": "仮定を自社の数値に置き換え、回収できるかを確かめる。",
}

BRIEF = {
    "brief.title": "意思決定資料：{sites}社による連合学習（微調整）",
    "brief.question": (
        "文章を各社に置いたまま、{sites}社が共同で学習すると、"
        "単独より正確に文章を{labels}種類に分類できるでしょうか。"
    ),
    "verdict.go": "実施を推奨",
    "verdict.conditions": "条件付きで推奨",
    "verdict.no-go": "見送りを推奨",
    "verdict.open": "判断保留",
    "headline.go": (
        "連合学習の効果がありました。正解率は{federated}、単独学習との差は{gap}です。"
        "すべての基準を満たしています。"
    ),
    "headline.conditions": (
        "連合学習の効果がありました。正解率は{federated}、単独学習との差は{gap}です。"
        "未達の基準{count}件を満たしてから始めます。"
    ),
    "headline.unsure": (
        "共通の評価データでは効果がありました（単独学習との差 {gap}）。一方、"
        "各社の日常業務での改善は示されていません。未達の基準は{count}件です。"
    ),
    "headline.helped_no_go": (
        "共通の評価データでは単独学習を上回りましたが（{gap}）、開始には値しません。{why}。"
    ),
    "headline.not_helped": "今回、連合学習の効果はありませんでした。単独学習との差は{gap}です。",
    "headline.not_shown_no_go": (
        "連合学習の効果は示されておらず（単独学習との差 {gap}）、開始には値しません。{why}。"
    ),
    "headline.not_shown": (
        "連合学習の効果は示されていません。単独学習との差は{gap}で、偶然の可能性があります。"
    ),
    "headline.unknown": "連合学習の効果は不明です。比較できる単独学習の記録がありません。",
    "method.majority": "最多ラベル",
    "method.frozen-pooled": "固定エンコーダー＋ロジスティック回帰（データ集約）",
    "method.frozen-local": "固定エンコーダー＋ロジスティック回帰（単独）",
    "method.local": "単独学習",
    "method.pooled": "データを集約した学習",
    "method.federated": "連合学習",
    "bar.majority": "最多ラベル",
    "bar.frozen-pooled": "固定エンコーダー（集約）",
    "bar.frozen-local": "固定エンコーダー（単独）",
    "bar.local": "単独学習",
    "bar.pooled": "集約学習",
    "bar.federated": "連合学習",
    "over.test": "95%区間（評価データ）",
    "over.clients": "95%区間（企業間）",
    "over.seeds": "95%区間（{n}シードと評価データ）",
    "bars.sentence": (
        "共通の評価データ{n}件での正解率：連合学習{federated}、単独学習{local}、集約学習{pooled}。"
    ),
    "tile.accuracy": "連合学習の正解率",
    "tile.accuracy_note": "95%区間 {interval}",
    "tile.gain": "日常業務での改善",
    "tile.gain_note": "単独での最良の方法との差。95%区間 {interval}",
    "tile.traffic": "1拠点の通信量",
    "tile.traffic_note": "学習1回の実測値。別に基盤モデル{base}を1回受信",
    "tile.privacy": "プライバシー保証",
    "tile.privacy_value": "ε={epsilon}",
    "tile.privacy_none": "なし",
    "tile.privacy_note": "{unit}あたり、δ={delta}",
    "tile.privacy_sums": "εの保証なし（合計値のみ読める）",
    "tile.privacy_open": "εの保証はありません",
    "tile.net": "年間収支",
    "tile.net_note": "仮定に基づく全社合計",
    "tried.data": (
        "データ：{name}。{sites}社、学習用{train}件、評価用{test}件、ラベル{labels}種類です。"
    ),
    "tried.method": (
        "方法：基盤モデル{model}の微調整（対象：{tune}）を{rounds}ラウンド実施しました。"
        "圧縮：{wire}、シード数：{seeds}。"
    ),
    "tune.head": "分類ヘッド",
    "tune.full": "モデル全体",
    "tried.none": "なし",
    "tried.compared": "比較対象：{names}。",
    "tried.daily": (
        "各社の業務に近い評価データでは、連合学習{together}、単独での最良（{way}）{alone}でした。"
    ),
    "cost.up": "1拠点の送信量",
    "cost.down": "1拠点の受信量",
    "cost.total": "全拠点の合計",
    "cost.base": "基盤モデル（拠点ごとに1回）",
    "cost.train": "学習時間（全拠点の合計）",
    "cost.setup": "初期費用（全拠点、1回）",
    "cost.running": "運用費（全拠点、年間）",
    "cost.per_training": "実測、{rounds}ラウンド",
    "cost.once": "上の行には含みません",
    "cost.measured": "試行した計算機での実測",
    "cost.assumed": "仮定",
    "hours.head": "機器／回線",
    "link.field-64k": "64 kbit/s回線",
    "link.1mbit": "専用線 1 Mbit/s",
    "link.dsl": "ADSL回線 10/1 Mbit/s",
    "link.office-10m": "事務所 10 Mbit/s",
    "link.4g": "モバイル回線（4G）",
    "link.satellite": "衛星回線",
    "link.office-100m": "事務所 100 Mbit/s",
    "link.lan-1g": "構内LAN 1 Gbit/s",
    "device.as-measured": "実測した計算機",
    "device.half-speed": "2分の1の速度",
    "device.quarter-speed": "4分の1の速度",
    "device.tenth-speed": "10分の1の速度",
    "device.old-pc": "2012年の事務用PC",
    "device.laptop": "2020年のノートPC",
    "device.workstation": "ワークステーション",
    "device.gpu-server": "GPUサーバー",
    "device.phone": "スマートフォン",
    "leaving.largest": (
        "最多は{id}で、学習用{train}件中{n}件（{share}）。次の学習ではその分を失います。"
    ),
    "leaving.only": "{id}だけが持つラベル：{labels}。ほかに教えられる企業はありません。",
    "leaving.none_only": "失われるラベルはありません（どれも2社以上が保有）。",
    "leaving.not_told": "どの企業がどのラベルを持つかは、保証の対象のため記載しません。",
    "leaving.model": (
        "配布済みモデルは使えます。離脱企業から学んだ内容を除くには再学習（{traffic}）が必要です。"
    ),
    "leaving.open": "離脱後の正解率は未計測です。",
    "next.baselines": "不足している比較を実施し（fedkit baselines）、本資料を作り直します。",
    "next.seeds": "{seeds}個のシードで試行を繰り返します（fedkit sweep --seeds 0,1,2）。",
    "next.privacy": "必要なプライバシーの水準に合意し、仮定の privacy_needed に記入します。",
    "next.assumptions": "仮定（assumptions.toml）を自社の数値に置き換え、本資料を作り直します。",
    "next.pilot": (
        "2〜3拠点の実ネットワークで試験導入を計画し、ガバナンス文書を法務部門と確認します。"
    ),
    "next.alone": "当面は、各社が単独での最良の方法（{way}）を使います。",
    "next.change": (
        "再試行の前に条件を変えます（参加企業を増やす、ラベルをそろえる、評価データを増やす）。"
    ),
    "phrase.result": (
        "「評価データ{n}件で、共同のモデルの正解率は{federated}、単独学習では{local}でした。」"
    ),
    "phrase.result_alone": (
        "「評価データ{n}件で、共同のモデルの正解率は{federated}でした。単独での正解率は未計測です。」"
    ),
    "phrase.left": (
        "「運用時に文章が拠点の外に出ることはありません。出るのは、"
        "学習1回につき1拠点あたり{size}のモデルの更新分です。」"
    ),
    "phrase.privacy": "「保証するのは{promised}までで、それ以上はお約束できません。」",
    "phrase.privacy_none": (
        "「文章を拠点に置くこと以外に、プライバシーの保証はありません。"
        "更新から何かが推測される可能性は残ります。」"
    ),
    "phrase.go": "「試験導入の承認をお願いします。」",
    "phrase.conditions": (
        "「お願いしたいのは全面導入ではなく、未達の基準{count}件を満たすための時間です。」"
    ),
    "phrase.no-go": "「この結果からは開始をお勧めしません。これも一つの成果です。」",
    "caveat.one_seed": (
        "シードは1個です。データの分割、初期値、学習順序の偶然は、区間に含まれません。"
    ),
    "caveat.few_seeds": (
        "区間に含むのは、{n}個のシードと評価データの偶然です（互いに独立と仮定）。"
        "ほかの企業や文章での違いは含みません。"
    ),
    "caveat.modelled": (
        "所要時間は、実測のバイト数と学習時間からの試算です。基盤モデルの受信（{base}）は別にかかります。"
    ),
    "caveat.money": "金額は、計測していない仮定に基づきます。実測したのは正解の増加分だけです。",
    "caveat.protected": (
        "連合学習だけがプライバシー保護を備え、比較対象にはありません。差にはノイズの影響が含まれます。"
    ),
    "caveat.picked": (
        "ほかの記録{left}件は使っていません。評価データで最良の方法を選んだため、やや有利な数値です。"
    ),
    "caveat.daily_one": "日常業務での区間は、評価データの件数に基づく近似値（対応なし）です。",
    "source.data": "データのsha256：{sha}（data.sha256）",
    "source.model": "基盤モデル{name}のsha256：{sha}（model.sha256）",
    "source.results": (
        "正解率：result.accuracy、result.correct、result.own_mix_accuracy、result.client_accuracies"
    ),
    "source.bytes": (
        "通信量と時間：result.uplink_bytes、result.downlink_bytes、result.train_seconds、"
        "model.base_bytes"
    ),
    "source.promise": (
        "プライバシー：result.epsilon、result.delta、result.privacy_unit、config.privacy、"
        "config.secure"
    ),
    "source.money": "金額：仮定の一覧と、実測した正解の増加分",
}

UI = {
    "ui.tried": "試したこと",
    "ui.accuracies": "正解率",
    "ui.costs": "費用と負荷",
    "ui.hours": "学習1回の所要時間（試算）",
    "ui.privacy": "プライバシー",
    "ui.left": "拠点の外に出たもの",
    "ui.stayed": "拠点に残ったもの",
    "ui.leaving": "1社が離脱した場合",
    "ui.rules": "推奨の判断基準",
    "ui.met": "達成",
    "ui.not_met": "未達",
    "ui.conditions": "条件",
    "ui.returns": "投資対効果",
    "ui.assumptions": "仮定",
    "ui.break_even": "損益分岐",
    "ui.tornado": "年間収支を左右する要因",
    "ui.next_steps": "次の手順",
    "ui.phrases": "会議で使える表現",
    "ui.caveats": "注意点",
    "ui.sources": "出典",
    "ui.name": "項目",
    "ui.value": "値",
    "ui.source": "出典",
    "ui.note": "備考",
    "ui.effect": "未達の場合",
    "ui.go": "推奨",
    "ui.conditions_word": "条件付き",
    "ui.no_go": "見送り",
    "ui.month": "月",
    "ui.net_per_year": "年間収支",
    "ui.made_by": "fedkitが試行の記録から作成しました（出典のない数値はありません）",
    "ui.open_values": "assumptions.tomlを編集し、--assumptionsで渡してください",
}

JA: dict[str, str] = {**PROMISE, **RETURNS, **RULES, **BRIEF, **UI}
