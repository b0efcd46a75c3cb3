"""What each thread of a team does in a layer: some rows of the batch, or where weights outweigh them some columns of more rows.

Design:
a) A thread that takes its rows through a layer reads, and packs, all of its weights: with many threads that is more work than the
   products. Threads that take some of the columns each read only those.
b) Layers by whole rows need not wait for each other. Where one is cut by columns the team meets before and after it.
"""

from ._arena cimport Layer
from ._kernels cimport barrier, nnc_kernels

cdef enum:
    MANY_WEIGHTS = 1 << 18  # bytes: with fewer, reading them costs less than to meet


cdef int parts_across(const nnc_kernels *k, long rows, long columns, long weights, int size) noexcept nogil:
    # parts for the columns of a product, its rows falling into size / that many: where a thread's columns and rows are fewest
    # together, as far as whole panels divide evenly to one column in eight. weights: of the layer
    cdef:
        long nr = k.nr
        long panels = (columns + nr - 1) // nr, least = columns + rows // size, count, together
        int best = 1, parts
    if weights * k.itemsize < MANY_WEIGHTS:
        return 1
    for parts in range(2, size + 1):
        count = (panels + parts - 1) // parts
        together = count * nr + rows * parts // size
        if size % parts == 0 and 8 * count * nr * parts <= 9 * columns and together < least:
            best, least = parts, together
    return best


cdef void part_across(const nnc_kernels *k, long columns, int index, int parts, long *first, long *count) noexcept nogil:
    # which of `columns` part `index` of `parts` takes: whole panels
    part((columns + k.nr - 1) // k.nr, index, parts, first, count)
    first[0] *= k.nr
    count[0] *= k.nr
    if first[0] + count[0] > columns:
        count[0] = columns - first[0]


cdef Layer *share_out(Share *s, Layer *l, long depth, bint whole, Layer *some) noexcept nogil:
    # What this thread of several computes of a layer's rows s.first..s.first+s.rows, each element from `depth` others: rows
    # s.at..s.at+s.count of l, or of the layer of some of its columns that is made in `some` (which may be NULL with whole). whole: of
    # l, from end to end. Waits for the others where that is made from what they computed last.
    cdef:
        int across = 1 if whole else parts_across(l.k, s.rows, l.outputs, l.outputs * depth, s.size)
        long column, columns
        long size = l.k.itemsize
    if s.across > 1 or across > 1:
        barrier(s.team)
    s.across = across
    part(s.rows, s.index // across, s.size // across, &s.at, &s.count)
    s.at += s.first
    if across == 1:
        return l
    part_across(l.k, l.outputs, s.index % across, across, &column, &columns)
    some[0] = l[0]
    some.outputs = columns
    some.column = column
    some.weight += column * size
    if some.bias != NULL:
        some.bias += column * size
    some.z += column * size
    some.y += column * size
    if some.dz != NULL:
        some.dz += column * size
    return some
