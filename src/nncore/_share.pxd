from ._arena cimport Layer
from ._kernels cimport nnc_team

# What a thread knows when it goes through the layers with its team.
cdef struct Share:
    long first, rows        # rows of the workspace that the team works on
    long at, count          # this thread's among them, in the layer it has come to
    int index, size         # which of the team
    int thread              # whose scratch it has
    nnc_team *team          # to meet with; not asked where size is 1
    int across              # parts that the columns of what was computed last are cut into: 1 where each has its own whole rows


cdef inline void part(long rows, int index, int size, long *first, long *count) noexcept nogil:
    # which of `rows` thread `index` of `size` takes
    first[0] = rows * index // size
    count[0] = rows * (index + 1) // size - first[0]


cdef inline Share among(long first, long rows, int index, int size, nnc_team *team) noexcept nogil:
    # the share of thread `index` of a team
    cdef Share s
    s.first, s.rows, s.at, s.count = first, rows, first, rows
    s.index, s.size, s.thread, s.team, s.across = index, size, index, team, 1
    return s


cdef inline Share alone(long first, long rows, int thread) noexcept nogil:
    # all of these rows for one thread
    cdef Share s = among(first, rows, 0, 1, NULL)
    s.thread = thread
    return s


cdef Layer *share_out(Share *s, Layer *l, long depth, bint whole, Layer *some) noexcept nogil
