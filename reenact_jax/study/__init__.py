"""The study on the synthetic world: which runs, how they are trained and scored, what is reported.

docs/study.md has the plan and the results; scripts/study.py is the command.
"""
