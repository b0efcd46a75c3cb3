"""Benchmarks of nncore.

    python -m bench                      every table against every rival that is installed; see --help
    python -m bench train 8-32-32-1      one row
    python -m bench --report             docs/performance.md from bench/results/*.json
    pytest --benchmark-only              parts of a step beside the numpy reference (bench/test_*.py)
    python -m bench.grid                 widths x batches: no cliff anywhere, share of the machine's peak

A workload is a row in workloads.py, a rival a file in rivals/.
"""
