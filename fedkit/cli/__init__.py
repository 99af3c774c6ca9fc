"""The command line: `main.app` has all commands, `flags` defines every option once.

In: arguments. Out: text or `--json` on stdout, one clear line and exit code 2 for bad input.
Heavy imports happen inside the commands, so that `--help` is quick.
May import: everything below.
"""
