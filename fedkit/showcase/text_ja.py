"""The showcase in Japanese. A test checks that keys and placeholders are those of `text_en`."""

from __future__ import annotations

JA: dict[str, str] = {
    "next": "次へ：{step}",
    "back": "戻る",
    "caveat": "ご注意",
    "step1": "1  問い",
    "step2": "2  各社のデータ",
    "step3": "3  共同で学習",
    "step4": "4  条件を変える",
    "step5": "5  資料",
    "question.title": (
        "文章を社外に出さずに、6社で学習すれば、1社だけの場合より正しく答えられるか？"
    ),
    "question.lead": (
        "各社の窓口には、日々さまざまな報告が届きます。モデルは報告を読み、"
        "どの部署が対応すべきかを答えます。"
        "正しく答えた割合："
    ),
    "question.own": "自社と同種の報告",
    "question.any": "6社すべての報告",
    "bar.alone": "各社単独",
    "bar.together": "6社共同",
    "bar.pooled": "全文章を1か所に集約",
    "question.better": "共同学習は、日常の報告でも単独より正確で、他社の報告にも対応できます。",
    "question.unclear": "日常の報告では明確な差はなく、6社すべての報告では{points}です。",
    "question.worse": "日常の報告では、各社単独のほうが正確です。",
    "tile.own_gain": "自社と同種の報告での差",
    "tile.any_gain": "6社すべての報告での差",
    "tile.left": "社外に出た文章",
    "gain.range": "95%信頼区間 {low}〜{high}",
    "question.pooled_note": "全文章を1か所に集められれば{pooled}ですが、ここでは認められていません",
    "question.caveat": (
        "架空の企業の合成データを使い、テスト用の報告{test}件で1回だけ試した結果です。"
        "数ポイントの差は偶然の可能性があります。"
        "文章の代わりに送る情報から、内容の一部を推測される可能性は残ります（ステップ4）。"
    ),
    "who.title": "6社は業種もさまざま。すべてを経験した会社はありません",
    "who.lead": "学習に使う各社の報告件数（対応すべき部署別）。色が濃いほど多いことを示します。",
    "who.companies": "参加企業（社）",
    "who.reports": "学習用の報告（件）",
    "who.labels": "対応部署（種類）",
    "who.rarest": "1社・1部署あたりの最少件数",
    "who.total": "合計",
    "who.company": "会社",
    "who.caveat": (
        "fedkit用に作成した合成データです。実在の企業・報告・個人は含みません。"
        "実際のデータはこれほど整っていないため、"
        "先に自社データの点検をお勧めします（fedkit check）。"
    ),
    "run.title": "その場で共同学習：文章は社内に残し、小さな更新だけを送ります",
    "run.lead": (
        "このパソコンで{rounds}ラウンドの学習を実際に行います（1分未満）。"
        "同じ学習の記録を表示することもできます。"
    ),
    "run.go": "実行",
    "run.cancel": "中止",
    "run.replay": "記録を表示",
    "run.ready": "このパソコンでは、まだ学習していません。",
    "run.loading": "基盤モデルと報告を読み込んでいます…",
    "run.start": "第1ラウンドの準備をしています…",
    "run.progress": "ラウンド {round}/{rounds}：{company}が学習中",
    "run.judging": "ラウンド {round}/{rounds}：共有モデルをテスト中",
    "run.left": "残り約{seconds}",
    "run.cancelling": "中止しています…",
    "run.cancelled": (
        "中止しました。実行中の処理はありません。もう一度実行するか、記録を表示してください。"
    ),
    "run.failed": "実行できませんでした：{reason} 代わりに記録を表示できます。",
    "run.finished": "完了：このパソコンで{seconds}で学習しました。",
    "run.recorded": "配布時に保存した学習の記録です。今回は計算していません。",
    "run.accuracy": "自社と同種の報告での正答率",
    "run.sent": "全社の送受信量の合計",
    "run.texts": "送った文章",
    "run.axis_x": "ラウンド（0は学習前）",
    "run.axis_y": "正答率（%）",
    "run.heading": "自社と同種の報告での正答率",
    "run.alone": "各社単独",
    "run.caveat": (
        "6社すべてを、この1台のパソコンで再現しています。「各社単独」は保存済みの記録の値です。"
        "更新は文章そのものではありませんが、"
        "ノイズを加えない限り、プライバシーの保証にはなりません。"
    ),
    "what.title": "条件を変えると：会社が少ない、回線が細い、プライバシーを守りたい場合は？",
    "what.companies": "参加企業",
    "what.speed": "各社の回線速度",
    "what.privacy": "プライバシーの保証",
    "what.n": "{n}社",
    "level.none": "なし",
    "level.eps8": "弱い（ε 8）",
    "level.eps3": "中程度（ε 3）",
    "level.eps1": "強い（ε 1）",
    "what.together": "共同",
    "what.alone": "各社単独",
    "what.difference": "単独との差（ポイント）",
    "what.traffic": "1社の送受信量の合計",
    "what.time": "学習時間（模擬計算）",
    "what.any": "6社すべての報告では{share}",
    "what.base": "事前に1回：基盤モデル{size}、{seconds}",
    "what.better": "効果あり：単独より明らかに正確です。",
    "what.unclear": "単独と明確な差はありません。",
    "what.worse": "効果なし：各社単独のほうが正確です。",
    "what.heading_accuracy": "正答率（%）",
    "what.heading_time": "初回の所要時間（取得込み・模擬計算）",
    "axis.1": "1秒",
    "axis.60": "1分",
    "axis.3600": "1時間",
    "axis.36000": "10時間",
    "what.axis_companies": "会社の数",
    "what.axis_speed": "回線速度",
    "what.key_own": "自社と同種の報告",
    "what.key_any": "6社すべての報告",
    "what.caveat_none": (
        "保証なし：ノイズを加えないため、送った情報から文章の内容を推測される可能性があります。"
    ),
    "what.caveat_private": (
        "ε {epsilon}は報告1件ごとの保証です（δ {delta}）。各社のノイズと、"
        "サーバーが合計値しか見ないことへの信頼が前提です。"
        "秘匿集約（マスク）は教材用であり、安全ではありません。"
    ),
    "what.caveat": (
        "時間は模擬計算（シミュレーション）です。学習は最終層だけを{rounds}ラウンド、各条件1回の試行です。"
        "数ポイントの差は偶然の可能性があります。"
    ),
    "brief.title": "お持ち帰り用：判断を1ページにまとめた資料",
    "brief.lead": "明示した基準による推奨と、費用・プライバシー・条件・次の一歩をまとめます。",
    "brief.about": "どの結果についての資料ですか？",
    "brief.of_run": "ステップ3の学習（6社、プライバシーの保証なし）",
    "brief.of_what": "ステップ4の条件：{n}社、プライバシーの保証：{level}",
    "brief.make": "資料を作成",
    "brief.making": "資料を作成しています…",
    "brief.ready": "できました。外部には何も送信していません。",
    "brief.failed": "資料を作成できませんでした：{reason}",
    "brief.html": "ページ（HTML、{size}）",
    "brief.pptx": "スライド（PowerPoint、{size}）",
    "brief.folder": (
        "フォルダー {folder} にも保存しました。契約の検討資料と、編集できる前提条件も入っています。"
    ),
    "brief.caveat": (
        "架空の企業についての資料です。資料の形を示すもので、実際の判断材料ではありません。"
        "金額は仮の前提によるため、自社の値に置き換えてください"
        "（assumptions.toml）。"
    ),
    "company.bakery": "製パン会社",
    "company.clinic": "診療所",
    "company.freight": "運送会社",
    "company.hotel": "ホテル",
    "company.insurer": "保険会社",
    "company.machine_works": "機械メーカー",
    "label.Accounting": "経理",
    "label.Customer care": "顧客対応",
    "label.Equipment repair": "設備修理",
    "label.Facilities": "施設管理",
    "label.HR and payroll": "人事・給与",
    "label.Health and safety": "安全衛生",
    "label.IT help desk": "ITサポート",
    "label.Legal and compliance": "法務",
    "label.Logistics": "物流",
    "label.Purchasing": "購買",
    "label.Quality": "品質管理",
    "label.Security": "警備",
}
