"""Does what a model writes work? Programs run in a sandbox, their answers are judged outside it (no torch).

sandbox.py and what it is made of (walls.py, seccomp.py, users.py, limited.py) hold the programs; inside.py runs in it;
judge.py, compare.py, values.py and answer_lines.py judge outside; evaluate.py does so with a list of tasks, of_run.py
with a run's. analysis/ says what the verdicts are worth, report/ shows it, tradeoff/ weighs it against time, joules,
memory.

Where it hangs on the core (hook.py; bench/hooks.py calls it):
    before a run                that nothing here can judge what will be written (verbs/evaluate_run.py)
    after a run                 what its arms wrote is judged (verbs/evaluate_run.py)
    a report, after the ledger  quality, the trade-off, where quantising lowers joules (report/section.py)
    explain --json              "quality", and joules per passed task of each pair (report/document.py)
    the command line            evaluate, tradeoff (verbs/)
"""
