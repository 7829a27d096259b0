"""Lists of every kind, wherever they stand in the graph: filtered, ordered, cut short, or a page at a time.

filter.py      filters as arguments; each field says itself what it tests
order.py       orders as arguments; each key says itself what it reads
connection.py  one page, as a type
listing.py     how one kind is listed: what that needs, and which rows the caller gets
fields.py      a listing as fields of the graph: a list, pages, a look-up; at the root or inside an object

All else is one module a kind: its filter, its order keys, and what is odd about it. None of them knows the types of the
graph, so that each type may have lists of every kind.
"""
