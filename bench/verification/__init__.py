"""Verify stored runs by computing them again.

outcome.py      what was compared, what differs, and the verdict
environment.py  what may explain a difference: processor, threads, versions, device
spread.py       how far scores moved, beside the interval over seeds
scores.py       every score again from the stored embeddings
training.py     a whole run again: chain, parameters, curve and scores
parting.py      where two trainings part, by the chains of digests that the runs keep
comparison.py   two stored runs side by side
elements.py     the first element in which two tensors differ
again.py        a training repeated up to a step
"""
