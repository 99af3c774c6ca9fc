"""The executive demo: five steps in a browser, in English and Japanese, drawn from shipped records
before anything is trained.
"""
