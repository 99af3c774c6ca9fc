"""The brief in English. Keys and places are those of `words_ja`; a test holds them to that."""

from __future__ import annotations

PROMISE = {
    "unit.example": "one training example (a text and its label)",
    "unit.client": "one company with all that it holds",
    "privacy.none": "No differential privacy: no epsilon is promised, so updates can tell what a site's texts are.",
    "privacy.promise": "Differential privacy with epsilon {epsilon} and delta {delta}. Unit: {unit}; neighbours differ by adding or "
    "removing one; accountant: {accountant}.",
    "privacy.worst": "Someone who sees all that is sent and guesses whether one unit took part is right at most {share} of the "
    "time: {worth}.",
    "privacy.worst_certain": "Someone who sees all that is sent and guesses whether one unit took part may be right more than "
    "{share} of the time: {worth}.",
    "worth.strong": "a strong promise",
    "worth.fair": "a promise that leaves real doubt",
    "worth.weak": "a weak bound in the worst case, which by itself rules out next to nothing",
    "privacy.trust": "Who must be trusted: {who}.",
    "trust.nobody": "nobody outside the site, since every site adds all the noise itself",
    "trust.sums": "that the server sees sums only, and that every site adds its share of the noise",
    "trust.server": "the server, which sees every update and adds the noise",
    "privacy.example_not": "Not covered: a person with several texts, settings chosen by results on the same data, label names and "
    "the size of each site.",
    "privacy.client_not": "Not covered: settings chosen by results on the same data, label names, and who the members are.",
    "privacy.few": "With {sites} companies, whoever knows the members knows the unit; such a promise means more where members are many.",
    "privacy.seed": "This run's noise follows a recorded seed, for study; real use needs noise_from=system.",
    "privacy.masks": "Secure aggregation: the server reads only sums. Simulated here: not secure, for teaching. Secure aggregation is "
    "not differential privacy.",
    "privacy.ckks": "Homomorphic encryption: the server adds what it cannot read. Key handling here is not secure, for teaching. "
    "Encryption is not differential privacy.",
    "privacy.server_sees": "The server sees each site's updates one by one.",
    "privacy.lora": "Sending few numbers (as LoRA does) is not privacy: LoRA is not privacy, and updates can still leak text.",
    "left.updates": "Changes of {what}: {numbers} numbers per site and round, over {rounds} rounds; {size} per site in all.",
    "left.what_adapter": "the adapter ({tune}) and the classification head",
    "left.what_head": "the classification head",
    "left.what_full": "the whole model",
    "left.what_part": "a part of the model ({tune}) and the classification head",
    "left.statistics": "Once before round 1: counts per label and sums of sentence vectors ({size} per site). They are statistics of "
    "the site's data.",
    "left.counts": "How many examples stand behind each update, label names, and when a site took part.",
    "left.wire": "Updates were compressed before they were sent ({wire}); compression is not privacy.",
    "left.sealed": "Updates were sealed, so that only their sum is read (for teaching: not secure).",
    "left.noise": "Noise was added, as stated under privacy.",
    "left.simulated": "This trial played all sites on one computer: sizes are those of what was serialised, and no network was crossed.",
    "stayed.text": "All texts and the label of each text ({examples} training examples).",
    "stayed.base": "The base model: every site downloads it once, and it is neither changed nor sent back.",
    "stayed.rest": "The rest of the base model: every site downloads it once, and only the tuned part is sent back.",
    "stayed.full": "Nothing of the model: with full tuning, changes of the whole model are sent.",
    "stayed.parts": "Parts of the model that are not shared (shared: {parts}).",
    "stayed.inferred": "That texts stay does not mean that nothing can be inferred from what left; see privacy.",
}

EN: dict[str, str] = {**PROMISE}
