"""How lists are asked: which rows, in which order, how many, from where on.

selectors.py    label and field selectors in Kubernetes' own syntax
durations.py    lengths of time in arguments, such as `90s` or `2h30m`
filters.py      a filter as one compiled expression
orders.py       orders by several keys, and by a metric
indexes.py      whole kinds in an order, kept up to date
cursors.py      a row's place in an order, as text that clients hand back
connections.py  one page of an ordered list
"""
