"""The brief in English. A test checks that `brief_ja` has the same keys and places."""

from __future__ import annotations

PROMISE = {
    "unit.example": "training example (a text and its label)",
    "unit.client": "company with all that it holds",
    "privacy.none": (
        "No differential privacy: no epsilon is promised, so updates can tell something about"
        " texts."
    ),
    "privacy.promise": (
        "Differential privacy: epsilon {epsilon}, delta {delta}, per {unit}; neighbours by adding"
        " or removing one; accountant {accountant}."
    ),
    "privacy.worst": (
        "Who sees all that is sent guesses right at most {share} of the time whether a unit was"
        " there: {worth}."
    ),
    "privacy.worst_certain": (
        "Who sees all that is sent may guess right more than {share} of the time whether a unit was"
        " there: {worth}."
    ),
    "worth.strong": "strong",
    "worth.fair": "leaves real doubt",
    "worth.weak": "a weak bound",
    "privacy.trust": "To be trusted: {who}.",
    "trust.nobody": "nobody outside the site, which adds all the noise itself",
    "trust.sums": "that the server sees sums only, and that sites add their shares of the noise",
    "trust.server": "the server, which sees every update and adds the noise",
    "privacy.example_not": (
        "Not covered: people with several texts, test texts, settings chosen by results, label"
        " names, sizes of sites."
    ),
    "privacy.client_not": (
        "Not covered: test texts, settings chosen by results, label names, who the members are and"
        " their sizes."
    ),
    "privacy.few": (
        "With {sites} companies a unit is easily known; such a promise means more where members are"
        " many."
    ),
    "privacy.sampled": "That counts on the draw staying secret: for {who} epsilon is {epsilon}.",
    "sampled.example": "anybody who knows which rows a site drew",
    "sampled.client": "those who know who took part (server, network, readers of the record)",
    "privacy.seed": "Noise follows a recorded seed, for study; real use needs noise_from=system.",
    "privacy.masks": (
        "The server reads sums only (simulated: not secure, for teaching). Secure aggregation is"
        " not differential privacy."
    ),
    "privacy.ckks": (
        "The server adds what it cannot read (key handling not secure, for teaching). Encryption is"
        " not differential privacy."
    ),
    "privacy.server_sees": "The server sees each site's updates one by one.",
    "privacy.lora": "LoRA is not privacy: few numbers can leak text too.",
    "left.updates": (
        "Changes of {what}: {numbers} numbers a round, {rounds} rounds, {size} per site."
    ),
    "left.what_adapter": "the adapter ({tune}) and the head",
    "left.what_head": "the classification head",
    "left.what_full": "the whole model",
    "left.what_part": "a part of the model ({tune}) and the head",
    "left.statistics": (
        "Before round 1: label counts and sums of sentence vectors ({size} per site)."
    ),
    "left.counts": "Numbers of examples, label names, when a site took part.",
    "left.wire": "Compressed ({wire}), which is not privacy.",
    "left.sealed": "Sealed so that only sums are read (for teaching: not secure).",
    "left.noise": "Noise was added, as stated under privacy.",
    "left.simulated": "The trial ran on one computer: bytes as serialised, no network crossed.",
    "stayed.text": "All texts and the label of each ({examples} training examples).",
    "stayed.base": "The base model: downloaded once, never changed or sent back.",
    "stayed.rest": "The rest of the base model: only the tuned part is sent back.",
    "stayed.full": "Nothing of the model: with full tuning all its changes are sent.",
    "stayed.parts": "Parts of the model that are not shared (shared: {parts}).",
    "stayed.inferred": "Still, something may be inferred from what left: see privacy.",
}

RETURNS = {
    "assume.reports_per_company": "Reports per company and year",
    "assume.minutes_per_right_answer": "Minutes saved per right answer",
    "assume.hourly_cost": "Cost of an hour of work",
    "assume.setup_per_site": "One-off set-up per site",
    "assume.running_per_site": "Running cost per site and year",
    "assume.traffic_price_per_gb": "Price of traffic per GB",
    "assume.trainings_per_year": "Trainings per year",
    "assume.gain": "Right answers more (measured)",
    "assume.range": "{low} to {high}",
    "unit.reports_per_company": "{value}",
    "unit.minutes_per_right_answer": "{value} min",
    "unit.trainings_per_year": "{value}",
    "source.assumption": "assumption, not measured",
    "source.given": "given by you",
    "source.run": "run.json: {path}",
    "source.modelled": "modelled from run.json: rounds[].clients[]",
    "source.money_short": "assumptions, and bytes from run.json",
    "source.returns": "measured gain x assumptions",
    "returns.unknown": "Not reckoned: no record says what each company has alone.",
    "returns.never": (
        "Assumed: value {gain} a year, running {running}, set-up {setup}: it does not pay back."
    ),
    "returns.paid": (
        "Assumed: value {gain} a year, running {running}, net {net}; set-up {setup} back after"
        " {months} months."
    ),
    "returns.even": "Zero at: {name} {at}.",
    "returns.still": "The yearly net hardly moves with: {names}.",
    "returns.no_even": (
        "No assumption makes it break even: in daily work there are no right answers more than"
        " alone."
    ),
}

RULES = {
    "rule.baselines": "All five comparisons, same settings",
    "rule.local": "Beats local only, beyond the 95% interval",
    "rule.cheap": "Beats the cheap way alone (frozen encoder), beyond it",
    "rule.daily": "Beats the best way alone in daily work, beyond it",
    "rule.nobody": "No company worse off than alone",
    "rule.time": "Fits into {limit} on every device and link",
    "rule.privacy": "The privacy needed is promised",
    "rule.tests": "Enough test texts for the difference",
    "rule.seeds": "At least {seeds} seeds",
    "rule.pays": "Set-up paid back within {months} months",
    "found.missing": "missing: {names}",
    "found.unlike": "other settings: {names}",
    "found.whole": "all there",
    "found.no_record": "not known: not recorded",
    "found.gap": "{value}, 95% interval {interval}",
    "found.short": "{value} [{interval}]",
    "found.losers": "worse off: {names} (lowest {least})",
    "found.winners": "least: {id}, {least}",
    "found.longest": "longest: {time}, base model included",
    "found.privacy_unsaid": "{promised}; need not stated",
    "found.privacy": "needed: {asked}; promised: {promised}",
    "found.tests_none": "{n} show no difference",
    "found.tests": "{n} show {smallest}",
    "found.seeds": "seeds: {n}",
    "found.never": "{net} a year: never",
    "found.paid": "{months} months; {net} a year",
    "why.cheap": "the cheap way that each company has alone does as well, {found}",
    "why.daily": "federation did not help in the companies' own daily work, {found}",
    "why.nobody": "every company is worse off, {found}",
    "need.none": "no promise",
    "need.sums": "the server reads sums only",
    "need.example": "epsilon at most {epsilon} per example",
    "need.client": "epsilon at most {epsilon} per company",
    "promise.none": "none",
    "promise.sums": "no epsilon; the server reads sums only",
    "promise.epsilon": "epsilon {epsilon} per {unit} (delta {delta})",
    "promise.example": "example",
    "promise.client": "company",
    "condition.baselines": "Make the comparisons that are missing or unlike: {names}.",
    "condition.local": "Show a gain over local only: more test examples, seeds or companies.",
    "condition.cheap": "Show a gain over the cheap way that each company has alone.",
    "condition.daily": "Show a gain in the companies' own daily work.",
    "condition.daily_more": (
        "Show the gain in the companies' own daily work: about {daily} test texts would tell."
    ),
    "condition.nobody": (
        "Agree with those who would be worse off, or keep their own part at their site."
    ),
    "condition.time": "Choose faster links or devices, fewer rounds, or a longer window.",
    "condition.privacy": "Write down which privacy is needed, and repeat the trial with it.",
    "condition.tests": "Collect at least {wanted} test examples.",
    "condition.seeds": "Repeat with at least {seeds} seeds.",
    "condition.pays": "Replace the assumptions by your own numbers, and see whether it pays.",
}

BRIEF = {
    "brief.title": "Decision brief: federated fine-tuning for {sites} companies",
    "brief.question": (
        "Can {sites} companies sort texts into {labels} labels better together than alone, while"
        " texts stay where they are?"
    ),
    "verdict.go": "Go",
    "verdict.conditions": "Go with conditions",
    "verdict.no-go": "No-go",
    "verdict.open": "Not decided yet",
    "headline.go": (
        "Federation helped here: {federated} right; against local only {gap}. All rules are met."
    ),
    "headline.conditions": (
        "Federation helped here: {federated} right; against local only {gap}. Start once the open"
        " rules ({count}) are met."
    ),
    "headline.unsure": (
        "On the shared test set federation helped (against local only {gap}); in the companies' own"
        " daily work that is not shown. Open rules: {count}."
    ),
    "headline.helped_no_go": (
        "On the shared test set better than local only ({gap}), yet not worth starting: {why}."
    ),
    "headline.not_helped": "Federation did not help here: against local only {gap}.",
    "headline.not_shown_no_go": (
        "It is not shown that federation helped here (against local only {gap}), and it is not"
        " worth starting: {why}."
    ),
    "headline.not_shown": (
        "It is not shown that federation helped here: against local only {gap}, which may be"
        " chance."
    ),
    "headline.unknown": (
        "Whether federation helped is not known: there is no local only run to compare with."
    ),
    "method.majority": "majority class",
    "method.frozen-pooled": "frozen encoder + logistic regression (pooled)",
    "method.frozen-local": "frozen encoder + logistic regression (alone)",
    "method.local": "local only",
    "method.pooled": "pooled (centralized)",
    "method.federated": "federated",
    "bar.majority": "Majority class",
    "bar.frozen-pooled": "Frozen encoder, pooled",
    "bar.frozen-local": "Frozen encoder, alone",
    "bar.local": "Local only",
    "bar.pooled": "Pooled",
    "bar.federated": "Federated",
    "over.test": "95% over test examples",
    "over.clients": "95% over companies",
    "over.seeds": "95% over {n} seeds and tests",
    "bars.sentence": (
        "On one shared test set of {n} texts: federated {federated}, local only {local}, pooled"
        " {pooled}."
    ),
    "tile.accuracy": "Accuracy, federated",
    "tile.accuracy_note": "95% interval {interval}",
    "tile.gain": "Gain in daily work",
    "tile.gain_note": "over the best way alone; 95% interval {interval}",
    "tile.traffic": "Traffic per site",
    "tile.traffic_note": "measured, one training; plus the base model once, {base}",
    "tile.privacy": "Privacy promised",
    "tile.privacy_value": "\u03b5 {epsilon}",
    "tile.privacy_none": "none",
    "tile.privacy_note": "per {unit}, delta {delta}",
    "tile.privacy_sums": "no epsilon; sums only are read",
    "tile.privacy_open": "no epsilon is promised",
    "tile.net": "Net per year",
    "tile.net_note": "on assumptions, all companies",
    "tried.data": (
        "Data: {name}; {sites} companies, {train} training and {test} test texts, {labels} labels."
    ),
    "tried.method": (
        "Method: tuning {tune} on the base model {model}, {rounds} rounds; compression: {wire};"
        " seeds: {seeds}."
    ),
    "tune.head": "the classification head",
    "tune.full": "the whole model",
    "tried.none": "none",
    "tried.compared": "Compared with: {names}.",
    "tried.daily": (
        "On test texts like each company's own: federated {together}, best way alone ({way})"
        " {alone}."
    ),
    "cost.up": "Sent by each site",
    "cost.down": "Received by each site",
    "cost.total": "All sites together",
    "cost.base": "Base model, once per site",
    "cost.train": "Training, all sites together",
    "cost.setup": "Set-up, all sites, once",
    "cost.running": "Running, all sites, a year",
    "cost.per_training": "measured, {rounds} rounds",
    "cost.once": "not in the rows above",
    "cost.measured": "measured where the trial ran",
    "cost.assumed": "assumed",
    "hours.head": "Device / link",
    "link.field-64k": "64 kbit/s",
    "link.1mbit": "Leased line, 1 Mbit/s",
    "link.dsl": "ADSL, 10/1 Mbit/s",
    "link.office-10m": "Office, 10 Mbit/s",
    "link.4g": "Mobile (4G)",
    "link.satellite": "Satellite",
    "link.office-100m": "Office, 100 Mbit/s",
    "link.lan-1g": "LAN, 1 Gbit/s",
    "device.as-measured": "As measured",
    "device.half-speed": "Half the speed",
    "device.quarter-speed": "A quarter of the speed",
    "device.tenth-speed": "A tenth of the speed",
    "device.old-pc": "Office PC of 2012",
    "device.laptop": "Laptop of 2020",
    "device.workstation": "Workstation",
    "device.gpu-server": "GPU server",
    "device.phone": "Phone",
    "leaving.largest": (
        "Most data: {id}, {n} of {train} training texts ({share}). The next training would lack"
        " them."
    ),
    "leaving.only": "Only {id} has examples of: {labels}. Nobody else could teach these.",
    "leaving.none_only": "No label is lost: each is held by at least two companies.",
    "leaving.not_told": "Who holds which labels is not told: the promise covers it.",
    "leaving.model": (
        "Models handed out stay usable; what a leaver taught goes only by training again"
        " ({traffic})."
    ),
    "leaving.open": "Accuracy without it: not measured.",
    "next.baselines": "Run the missing comparisons (fedkit baselines), then make this brief again.",
    "next.seeds": "Repeat the trial with {seeds} seeds (fedkit sweep --seeds 0,1,2).",
    "next.privacy": (
        "Agree on the privacy that is needed, and enter it as privacy_needed in the assumptions."
    ),
    "next.assumptions": (
        "Replace the assumptions by your own numbers (assumptions.toml) and make this brief again."
    ),
    "next.pilot": (
        "Plan a pilot with two or three sites on their own network, with lawyers on the governance"
        " pack."
    ),
    "next.alone": "Give each company its best way alone for now: {way}.",
    "next.change": (
        "Before another trial, change something that matters: more companies, more alike labels,"
        " more test texts."
    ),
    "phrase.result": (
        "\u201cOn {n} test texts the shared model is right on {federated}; companies alone on"
        " {local}.\u201d"
    ),
    "phrase.result_alone": (
        "\u201cOn {n} test texts the shared model is right on {federated}; what companies reach"
        " alone is not measured.\u201d"
    ),
    "phrase.left": (
        "\u201cIn operation no text leaves a site. {size} of model changes do, per site and"
        " training.\u201d"
    ),
    "phrase.privacy": "\u201cWe promise {promised}, and nothing beyond it.\u201d",
    "phrase.privacy_none": (
        "\u201cWe promise no privacy beyond texts staying at the sites: updates can still tell"
        " something.\u201d"
    ),
    "phrase.go": "\u201cWe ask for a pilot.\u201d",
    "phrase.conditions": (
        "\u201cWe ask for time to meet the open rules ({count}), not for a roll-out.\u201d"
    ),
    "phrase.no-go": (
        "\u201cWe advise not to start on this evidence; that is a result as well.\u201d"
    ),
    "caveat.one_seed": "One seed: intervals do not cover the luck of split, start and order.",
    "caveat.few_seeds": (
        "Intervals cover {n} seeds and the test examples, as if independent; not other companies or"
        " other texts."
    ),
    "caveat.modelled": (
        "Hours are modelled from measured bytes and training time; the download of the base model"
        " ({base}) comes on top."
    ),
    "caveat.money": (
        "Money rests on assumptions that nobody measured; the gain alone is from the run."
    ),
    "caveat.protected": (
        "Comparisons have no privacy, the federated run has: its noise is in the differences."
    ),
    "caveat.picked": (
        "Other records not used: {left}; the method shown did best on the test set, which flatters"
        " it a little."
    ),
    "caveat.daily_one": "The interval in daily work is approximate: unpaired, over test examples.",
    "source.data": "Data, sha256: {sha} (data.sha256)",
    "source.model": "Base model {name}, sha256: {sha} (model.sha256)",
    "source.results": (
        "Accuracies: result.accuracy, result.correct, result.own_mix_accuracy,"
        " result.client_accuracies"
    ),
    "source.bytes": (
        "Bytes and seconds: result.uplink_bytes, result.downlink_bytes, result.train_seconds,"
        " model.base_bytes"
    ),
    "source.promise": (
        "Privacy: result.epsilon, result.delta, result.privacy_unit, config.privacy, config.secure"
    ),
    "source.money": "Money: the list of assumptions, and the measured gain",
}

UI = {
    "ui.tried": "What was tried",
    "ui.accuracies": "Accuracy",
    "ui.costs": "What it costs",
    "ui.hours": "Time of one training, modelled",
    "ui.privacy": "Privacy",
    "ui.left": "What left each site",
    "ui.stayed": "What stayed",
    "ui.leaving": "If a company leaves",
    "ui.rules": "Rules of the recommendation",
    "ui.met": "met",
    "ui.not_met": "not met",
    "ui.conditions": "Conditions",
    "ui.returns": "Return on investment",
    "ui.assumptions": "Assumptions",
    "ui.break_even": "Break-even",
    "ui.tornado": "What moves the yearly net most",
    "ui.next_steps": "Next steps",
    "ui.phrases": "Phrases for the meeting",
    "ui.caveats": "Caveats",
    "ui.sources": "Sources",
    "ui.name": "Name",
    "ui.value": "Value",
    "ui.source": "Source",
    "ui.note": "Note",
    "ui.effect": "If not met",
    "ui.go": "Go",
    "ui.conditions_word": "Conditions",
    "ui.no_go": "No-go",
    "ui.month": "Month",
    "ui.net_per_year": "Net per year",
    "ui.made_by": "Made by fedkit from run records; no number without a source",
    "ui.open_values": "Edit assumptions.toml and give it back with --assumptions",
}

EN: dict[str, str] = {**PROMISE, **RETURNS, **RULES, **BRIEF, **UI}
