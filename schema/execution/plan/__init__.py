"""Compiled execution: what a document says about its answer is worked out once, and what did not change is not encoded
again.

shape.py       what the answer to an operation looks like, worked out from its document and variables; the plan's key
kinds.py       the shape, ready to run: leaves, lists and objects; row by row exactly, column by column fast
records.py     what is known of the watch cache's objects by their classes
rows.py        rows from objects and columns, by functions written out for each shape
run.py         one execution over one View: the answer's `data` as bytes, and its errors
blocks.py      the encoded objects of lists: how earlier ones are found again, long ones cut, and changed ones mended
reads.py       what an answer has looked up, for those that are made of a few look-ups alone
keeping.py     encoded blocks and whole answers, kept until an object changes, within one memory bound
operations.py  the plans of the operations in use, found by their document and variables
encoded.py     `data` that is bytes already, and plain data for whoever reads it

An operation is planned whole or not at all: what cannot be (introspection, mutations, fields with extensions, abstract
types) is executed by graphql-core. A plan calls the very same resolvers over the very same View.

Promised: over one View, `data` is to the byte what orjson makes of graphql-core's, and the errors stand at the same
paths. Tests: tests/schema/execution.
Not promised: the order of errors, and in which order pure resolvers (no arguments from the request, no `info`) run.

Two ideas make it fast:
- **Columns.** The pure fields of a list are read one field at a time, for all objects of the list: a few C loops in
  the place of a call per value. What a record's class declares to be of the very type that is shown is read straight
  into its row, and a resolver that answers for many objects may answer in columns, too (alike.py). Anything odd (an
  exception, a null that must not be, a value to convert) raises, and the list is done again row by row, exactly as
  graphql-core does it. The lists inside a list's objects are mostly short: their columns are read together, some
  hundred objects at a time. From so many on, rows are structs that msgspec encodes, where it writes what orjson would.
- **Blocks.** The encoded objects of a list that has only pure fields are kept with the objects themselves. Records are
  immutable and compare by identity: same objects, same bytes, whoever sees them. So are those of a list that also has
  metrics, as long as the frames that these are read from stay the same. Where one object of a block has changed, that
  one alone is encoded, and if it looks as before, the block's bytes are the very same. An answer is its outline, with a
  number in the place of each list of blocks, and these blocks: they are put together slice by slice as it leaves, and
  are not kept a second time. One that comes to the same pieces as the one before is that one, with what was made of it.
"""
