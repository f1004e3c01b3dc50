"""Side-by-side benchmarks of Fireside and its peers; `python -m bench --help`."""
