"""Results that somebody sends: packed without a trace of who made them, and checked one by one.

pack.py          a suite's stored runs as a folder to send
personal.py      names and paths of this machine and its user, which no pack may hold
form.py          what a submission must be before its numbers are looked at
plausibility.py  numbers that no honest run has
acceptance.py    which differences may be explained, the verdict, and the copy
"""
