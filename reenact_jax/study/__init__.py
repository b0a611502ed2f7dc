"""The study on the synthetic world: which runs, how they are trained and scored, what is reported.

docs/study_plan.md has the plan, docs/study.md the results; scripts/study.py is the command.
"""
