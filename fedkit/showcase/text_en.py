"""The showcase in English. A test checks that keys and placeholders are those of `text_ja`."""

from __future__ import annotations

EN: dict[str, str] = {
    "next": "Next: {step}",
    "back": "Back",
    "caveat": "Please note",
    # the five steps, as on their buttons
    "step1": "1  The question",
    "step2": "2  Who has what",
    "step3": "3  Train together",
    "step4": "4  What if",
    "step5": "5  The brief",
    # 1
    "question.title": (
        "Would six companies answer better together than each alone, without any text leaving?"
    ),
    "question.lead": (
        "Each company's service desk gets reports. A model reads a report and says which team must"
        " act. The share of right answers:"
    ),
    "question.own": "Reports like their own",
    "question.any": "Reports of any company",
    "bar.alone": "Each alone",
    "bar.together": "Together",
    "bar.pooled": "All texts in one place",
    "question.better": "Together is better on everyday reports, and knows those of others too.",
    "question.unclear": "On everyday reports no clear gain; on reports of any company {points}.",
    "question.worse": "On everyday reports each alone is better.",
    "tile.own_gain": "on reports like their own",
    "tile.any_gain": "on reports of any company",
    "tile.left": "texts that left a company",
    "gain.range": "95% interval {low} to {high}",
    "question.pooled_note": "{pooled} if all texts were in one place, which is not allowed here",
    "question.caveat": (
        "Synthetic reports of made-up companies, one trial on {test} test reports: a difference of"
        " a few points may be chance. What is sent instead of text can still tell something about"
        " it (step 4)."
    ),
    # 2
    "who.title": "Six companies, six trades: nobody has seen everything",
    "who.lead": "Training reports of each company by the team that must act. The darker, the more.",
    "who.companies": "companies",
    "who.reports": "training reports",
    "who.labels": "teams to choose from",
    "who.rarest": "fewest reports of a team at one company",
    "who.total": "All",
    "who.company": "Company",
    "who.caveat": (
        "Synthetic data, written for fedkit: no real company, report or person. Real data is"
        " messier; check yours first (fedkit check)."
    ),
    # 3
    "run.title": "Train together now: texts stay, only small updates travel",
    "run.lead": (
        "A real training of {rounds} rounds on this computer, under a minute; or the same run from"
        " the shipped record."
    ),
    "run.go": "Run",
    "run.cancel": "Cancel",
    "run.replay": "Show recorded run",
    "run.ready": "Nothing has been trained on this computer yet.",
    "run.loading": "Reading the base model and the reports ...",
    "run.start": "Getting ready for round 1 ...",
    "run.progress": "Round {round} of {rounds}: {company} trains",
    "run.judging": "Round {round} of {rounds}: testing the shared model",
    "run.left": "about {seconds} left",
    "run.cancelling": "Stopping ...",
    "run.cancelled": "Cancelled. Nothing is left running. Run again, or show the recorded run.",
    "run.failed": "The run did not work: {reason} The recorded run can be shown in its place.",
    "run.finished": "Finished: trained on this computer in {seconds}.",
    "run.recorded": "Recorded run, trained before it was shipped: nothing was computed now.",
    "run.accuracy": "right on reports like their own",
    "run.sent": "sent by all companies, both ways",
    "run.texts": "texts sent",
    "run.axis_x": "Round (0: before training)",
    "run.axis_y": "Right answers (%)",
    "run.heading": "Right answers on reports like each company's own",
    "run.alone": "Each alone",
    "run.caveat": (
        'All six companies are played on this one computer. "Each alone" comes from the shipped'
        " record. Updates are not text, yet without added noise they are no promise of privacy."
    ),
    # 4
    "what.title": "What if: fewer companies, a thin line, a promise of privacy?",
    "what.companies": "Companies",
    "what.speed": "Line of each company",
    "what.privacy": "Promise of privacy",
    "what.n": "{n} companies",
    "level.none": "none",
    "level.eps8": "weak (\u03b5 8)",
    "level.eps3": "medium (\u03b5 3)",
    "level.eps1": "strong (\u03b5 1)",
    "what.together": "together",
    "what.alone": "each alone",
    "what.difference": "points, together against alone",
    "what.traffic": "sent by a company, both ways",
    "what.time": "training, simulated",
    "what.any": "reports of any company: {share}",
    "what.base": "once before: {size} base model, {seconds}",
    "what.better": "Pays: clearly better than alone.",
    "what.unclear": "No clear difference to alone.",
    "what.worse": "Does not pay: each company alone is better.",
    "what.heading_accuracy": "Right answers (%)",
    "what.heading_time": "First training with download, simulated",
    "axis.1": "1 s",
    "axis.60": "1 min",
    "axis.3600": "1 h",
    "axis.36000": "10 h",
    "what.axis_companies": "Companies",
    "what.axis_speed": "Line",
    "what.key_own": "like their own",
    "what.key_any": "of any company",
    "what.caveat_none": (
        "No promise: without noise, what is sent may let others guess what texts say. "
    ),
    "what.caveat_private": (
        "\u03b5 {epsilon} for one report at a time (\u03b4 {delta}); the sites must add their noise"
        " and the server must see sums only. The masks for that are not secure here: for teaching. "
    ),
    "what.caveat": (
        "Times are simulated. Here only the last layer is trained, {rounds} rounds, so that all"
        " settings compare. One trial of each: a few points may be chance."
    ),
    # 5
    "brief.title": "Take it with you: the decision on one page",
    "brief.lead": (
        "A recommendation by printed rules, with costs, privacy, conditions and next steps."
    ),
    "brief.about": "About which result?",
    "brief.of_run": "The run of step 3 (six companies, no promise of privacy)",
    "brief.of_what": "Step 4: {n} companies, privacy: {level}",
    "brief.make": "Make the brief",
    "brief.making": "Writing the brief ...",
    "brief.ready": "Ready. Nothing was sent anywhere.",
    "brief.failed": "The brief could not be made: {reason}",
    "brief.html": "Page (HTML, {size})",
    "brief.pptx": "Slides (PowerPoint, {size})",
    "brief.folder": (
        "Also in the folder {folder}, with notes for contracts and assumptions to edit."
    ),
    "brief.caveat": (
        "About synthetic companies: it shows what a brief looks like, not what you should do. Money"
        " rests on assumptions: put in your own (assumptions.toml)."
    ),
    # names in the data
    "company.bakery": "Bakery",
    "company.clinic": "Clinic",
    "company.freight": "Freight",
    "company.hotel": "Hotel",
    "company.insurer": "Insurer",
    "company.machine_works": "Machine works",
    "label.Accounting": "Accounting",
    "label.Customer care": "Customer care",
    "label.Equipment repair": "Equipment repair",
    "label.Facilities": "Facilities",
    "label.HR and payroll": "HR and payroll",
    "label.Health and safety": "Health and safety",
    "label.IT help desk": "IT help desk",
    "label.Legal and compliance": "Legal",
    "label.Logistics": "Logistics",
    "label.Purchasing": "Purchasing",
    "label.Quality": "Quality",
    "label.Security": "Security",
}
