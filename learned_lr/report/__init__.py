"""What is read: statistics, tables, figures, pages, and the paper's printed numbers.

Reads what jobs left in run directories. May import pandas, scipy, matplotlib and jinja2, and of
`execution` what describes a run directory; must not know TensorFlow, and never trains.
"""
