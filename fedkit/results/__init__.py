"""Plain numbers, differences with intervals and sentences about finished runs.

In: run records only. Out: measures, intervals, the one verdict, scoreboards, findings, the promise.
Every page, figure, brief and table reads runs through this folder, so that all of them agree.
May import: core. Never data, models or anything that trains.
"""
