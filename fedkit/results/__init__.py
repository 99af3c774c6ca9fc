"""Plain numbers, differences with intervals and sentences about finished runs.

In: run records only. Out: measures, the two scoreboards, findings, the privacy promise in words.
Every page, figure, brief and table reads runs through this folder, so that all of them agree.
May import: core. Never data, models or anything that trains.
"""
