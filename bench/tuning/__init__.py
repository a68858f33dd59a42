"""Equal search: the same number of trials for every method of a suite, drawn before the first one.

    space.py        what is drawn for a method, and from which range
    draw.py         the values of all trials, by Optuna
    search.py       search.json: everything that a search will do, written before it begins
    outcomes.py     the stored trials: validation scores, the best one, and test scores after that
    best_of.py      the expected score of the best of n trials
    chosen_suite.py the suite with the chosen values

<results>/tuning/<suite>.toml       the chosen suite
<results>/tuning/<suite>/
    search.json                     spaces, seed, data and drawn values
    runs/<run>/                     the trials: run.json, curve.jsonl, model.safetensors
    runs/<run>/test.json            scores on the test split, computed after the choice
"""
