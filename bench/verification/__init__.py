"""Verify stored runs by computing them again.

outcome.py      what was compared, what differs, and the verdict
environment.py  what may explain a difference: processor, threads, versions, device
scores.py       every score again from the stored embeddings
training.py     a whole run again: parameters, curve and scores
"""
