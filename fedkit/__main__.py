"""`python -m fedkit` is the command `fedkit`."""

from fedkit.cli.main import script

if __name__ == "__main__":
    script()
