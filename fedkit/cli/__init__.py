"""The command line: `main.app` has all commands; `flags` makes a flag of each of their parameters.

In: arguments. Out: text or `--json` on stdout, one clear line and exit code 2 for bad input.
The words of --help are in help.toml, those of the output in text.toml.
Heavy imports happen inside the commands, so that `--help` is quick.
May import: everything below.
"""
