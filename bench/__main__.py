"""`python -m bench`: the same as the `proxy-bench` command."""

from bench.cli.main import main

main()
