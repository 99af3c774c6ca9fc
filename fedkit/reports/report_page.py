"""The notes at the foot of the page of a comparison."""

NOTES = (
    (
        "Accuracy is measured on a test set that nothing was tuned on. No best round is picked on"
        " it: the last one counts."
    ),
    (
        "Local only: every client trains alone, and the mean over clients is shown. Each is judged"
        " on the same shared test set, so also on labels that it has rarely seen; on its own mix of"
        " labels a client may do better."
    ),
    (
        "Worst client: the lowest accuracy over clients on test examples like their own: of the"
        " shared model or, for local only, of each client's own model."
    ),
    (
        "Bytes are the length of what was serialised, both ways, with headers and the head start."
        " The first download of the base model{once} is not counted."
    ),
    (
        "Training seconds were measured on the machine that ran this. Simulated seconds are"
        " modelled from them, from the recorded bytes and from an assumed link and device: clients"
        " work at the same time, the server waits for the last."
    ),
    (
        "A difference counts when its 95 % interval leaves out zero. That interval covers the"
        " choice of test examples (or of clients), not the luck of split, start and batches; for"
        " that, run several seeds."
    ),
)
SEEDS_NOTES = (
    (
        "Runs that differ only in their seed are one method: its accuracy is the mean over seeds,"
        " with a t interval. With one seed the interval is over test examples and leaves out the"
        " luck of split, start and batches."
    ),
    (
        "A method is on the Pareto front, marked *, when no other here sends as little and is as"
        " accurate, and is better in one of the two. kB are 1,000 bytes, sent by a client in one"
        " round, the mean over its visits in rounds 1, 2, ...; what is exchanged before round 1 is"
        " in the MB of the whole run."
    ),
    (
        "Peak memory is that of the whole process, the most of any seed; in a sweep it holds what"
        " earlier runs left behind, so that a run by itself takes less."
    ),
)
NO_PRIVACY = (
    "No differential privacy in this run: updates left the clients as they were, and updates can"
    " leak text. That only the trained part travels is not a privacy guarantee."
)
