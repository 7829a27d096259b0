"""From a document to an answer: prepare (once per text), gather (the only awaits), execute (over one view).

prepare.py   parses and validates, once per text
reading.py   what an operation selects, and with which arguments, as graphql-core reads it
needs.py     what the fields of an operation need: rights, kinds, metrics
gather.py    awaits exactly that: first rights and kinds, then metrics
view.py      one immutable moment: a snapshot, what the caller may see of it, metric frames
problems.py  errors that many places share, told once
context.py   what one request carries through all of it
extension.py ties them together behind auth's extension
"""
