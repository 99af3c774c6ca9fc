"""What finished runs say: plain numbers, differences with intervals, sentences.

In: run records only. Out: measures, the scoreboard, findings, the promise of privacy in words.
Every page, figure, brief and table reads a run through this folder, so all of them agree.
May import: core, network. Never data, models or anything that trains.
"""
