"""What each thread of a team does in a layer: some rows of the batch, or where weights outweigh them some columns of more rows.

Design:
a) A thread that takes its rows through a layer reads, and packs, all of its weights: with many threads that is more work than the
   products. Threads that take some of the columns each read only those.
b) Layers by whole rows need not wait for each other. Where one is cut by columns the team meets before and after it.
"""

from ._arena cimport Layer
from ._kernels cimport barrier

cdef enum:
    MANY_WEIGHTS = 1 << 18  # bytes: with fewer, reading them costs less than to meet


cdef int parts_across(const Share *s, const Layer *l, long depth) noexcept nogil:
    # parts for the columns of a layer, its rows falling into s.size / that many: where a thread's columns of weights and rows of
    # the batch are fewest together, as far as whole panels divide evenly to one column in eight
    cdef:
        long nr = l.k.nr
        long panels = (l.outputs + nr - 1) // nr, least = l.outputs + s.rows // s.size, count, together
        int best = 1, parts
    if l.outputs * depth * l.k.itemsize < MANY_WEIGHTS:
        return 1
    for parts in range(2, s.size + 1):
        count = (panels + parts - 1) // parts
        together = count * nr + s.rows * parts // s.size
        if s.size % parts == 0 and 8 * count * nr * parts <= 9 * l.outputs and together < least:
            best, least = parts, together
    return best


cdef Layer *share_out(Share *s, Layer *l, long depth, bint whole, Layer *some) noexcept nogil:
    # What this thread of several computes of a layer's rows s.first..s.first+s.rows, each element from `depth` others: rows
    # s.at..s.at+s.count of l, or of the layer of some of its columns that is made in `some` (which may be NULL with whole). whole: of
    # l, from end to end. Waits for the others where that is made from what they computed last.
    cdef:
        int across = 1 if whole else parts_across(s, l, depth)
        long nr, column, columns
        long size = l.k.itemsize
    if s.across > 1 or across > 1:
        barrier(s.team)
    s.across = across
    part(s.rows, s.index // across, s.size // across, &s.at, &s.count)
    s.at += s.first
    if across == 1:
        return l
    nr = l.k.nr
    part((l.outputs + nr - 1) // nr, s.index % across, across, &column, &columns)
    column, columns = column * nr, columns * nr
    some[0] = l[0]
    some.outputs = columns if column + columns < l.outputs else l.outputs - column
    some.column = column
    some.weight += column * size
    if some.bias != NULL:
        some.bias += column * size
    some.z += column * size
    some.y += column * size
    if some.dz != NULL:
        some.dz += column * size
    return some
