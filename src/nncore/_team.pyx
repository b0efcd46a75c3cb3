"""The program that every thread of a team runs: a stretch of training steps, or its share of predictions.

Design:
a) In a step each thread takes its share of the batch through forward, loss and backward, then rows of every weight through update,
   with two barriers, and more where layers are cut by columns (_share). The loss's sum and the step's coefficients are computed by
   every thread alike, which is cheaper than one more barrier and gives the same bits.
b) A loss that is not finite stops before the update, so the weights are those of the last finished step. A weight that would not
   be finite keeps its value, and the step that would have made it so is the last.
"""

from libc.math cimport isfinite
from libc.string cimport memcpy, memset

from ._arena cimport Layer, Plan
from ._backward cimport backward, output_gradient
from ._forward cimport forward
from ._kernels cimport NNC_COEFS, barrier, nnc_mix, nnc_prefetch, nnc_take, optimizer_prepare, team_size
from ._share cimport Share, alone, among, part
from ._update cimport update

cdef enum:
    AHEAD = 8    # rows that the gathering of a batch looks ahead
    FLUSH = 512  # steps from one time that subnormal slots are set to zero to the next


cdef inline void copy_row(char *to, const char *source, long nbytes) noexcept nogil:
    # memcpy, without the call for the short rows of small nets
    cdef long i = 0
    if nbytes > 128:
        memcpy(to, source, nbytes)
        return
    while i + 8 <= nbytes:
        memcpy(to + i, source + i, 8)
        i += 8
    if i < nbytes:
        memcpy(to + i, source + i, 4)


cdef void gather(Job *j, long at, long first, long rows) noexcept nogil:
    # rows first..first+rows of the batch that starts at sample `at`: x and t of the plan from X and T or labels, and the weights
    cdef:
        Plan *p = j.p
        long i, s, label
        char *x = p.x + first * p.x_row * p.size
        char *t = p.t + first * p.t_row * p.size
        long x_bytes = p.inputs * p.size, t_bytes = p.outputs * p.size
    for i in range(at + first, at + first + rows):
        s = j.order[i] if j.order != NULL else i
        if j.order != NULL and i + AHEAD < j.samples:  # also of the next batch: shuffled rows are where no prefetcher looks
            nnc_prefetch(j.X + j.order[i + AHEAD] * x_bytes, x_bytes if x_bytes < 256 else 256)
        copy_row(x, j.X + s * x_bytes, x_bytes)
        if j.weights != NULL:
            p.row_weight[i - at] = j.weights[s]
            if j.weights[s] == 0:  # not there: nothing that it makes of its inputs may become infinite
                memset(x, 0, x_bytes)
        if j.T != NULL:
            copy_row(t, j.T + s * t_bytes, t_bytes)
        elif j.labels != NULL:
            memset(t, 0, p.outputs * p.size)
            label = j.labels[s]
            if 0 <= label < p.outputs:  # it was when they were checked, but they are the caller's
                memcpy(t + label * p.size, p.one, p.size)
        x += p.x_row * p.size
        t += p.t_row * p.size


cdef double sum_of_rows(Plan *p, long rows) noexcept nogil:
    cdef:
        double total = 0
        long i
    for i in range(rows):
        total += p.row_loss[i]
    return total


cdef void flush_slots(Plan *p, const Sink *sink, int index, int size) noexcept nogil:
    # this thread's share of the slots, subnormal numbers to zero; while nobody steps
    cdef long first, count
    part(p.length, index, size, &first, &count)
    if sink.slot0 != NULL:
        p.k.flush(count, sink.slot0 + first * p.size)
    if sink.slot1 != NULL:
        p.k.flush(count, sink.slot1 + first * p.size)


cdef void train_team(void *context, int index, nnc_team *team) noexcept nogil:
    cdef:
        Job *j = <Job *>context
        Plan *p = j.p
        int size = team_size(team)
        long step, at = j.start, rows, first, count, seen = 0
        double loss_sum = j.loss_sum, batch_loss = 0, scale
        double carry[NNC_COEFS]
        double before[NNC_COEFS]
        double coef[NNC_COEFS]
        Sink sink = j.sink
        Share share
        uint64_t key
        bint failed = False
    memcpy(carry, j.carry, sizeof(carry))
    step = 0
    while step < j.steps and at < j.samples:
        rows = j.samples - at if j.samples - at < j.batch else j.batch
        scale = j.factor / rows if j.by_rows else j.factor
        key = nnc_mix(j.dropout_key + <uint64_t>(j.step + step)) | 1 if j.dropout_key != 0 else 0
        part(rows, index, size, &first, &count)
        memcpy(before, carry, sizeof(carry))
        if sink.optimizer >= 0:  # so early that nobody waits for its divisions
            optimizer_prepare(sink.optimizer, j.hyper, carry, coef)
        if (j.step + step) % FLUSH == 0:
            flush_slots(p, &sink, index, size)
        gather(j, at, first, count)
        share = among(0, rows, index, size, team)
        forward(p, p.x, p.x_row, &share, p.linked, key)
        output_gradient(p, &share, scale, j.weights != NULL)
        backward(p, &share, key)
        barrier(team)
        batch_loss = sum_of_rows(p, rows)
        if not isfinite(batch_loss):
            memcpy(carry, before, sizeof(carry))
            failed = True
            break
        sink.coef = coef
        update(p, p.x, p.x_row, rows, &sink, index, size)
        if sink.trouble:
            nnc_take(&j.spoilt)
        barrier(team)
        if j.spoilt:  # all see the same: nobody updates again before the next barrier
            break
        loss_sum += batch_loss
        batch_loss *= scale
        at += rows
        seen += rows
        step += 1
    if index == 0:
        memcpy(j.carry, carry, sizeof(carry))
        j.done, j.seen, j.loss_sum, j.last_loss, j.failed = step, seen, loss_sum, batch_loss, failed


cdef void predict_team(void *context, int index, nnc_team *team) noexcept nogil:
    # Y = network(X), and the loss of each row where there are targets. Each thread works through its own samples in batches that
    # fit its share of the workspace.
    cdef:
        Job *j = <Job *>context
        Plan *p = j.p
        Layer *l = &p.layers[p.count - 1]
        int size = team_size(team)
        long room = p.rows // size, base = room * index
        long at, end, rows, i, count
        char *y = l.y + base * l.row * p.size
        Share share
    part(j.samples, index, size, &at, &count)
    end = at + count
    while at < end:
        rows = end - at if end - at < room else room
        share = alone(base, rows, index)
        if j.T != NULL or j.labels != NULL:
            gather(j, at - base, base, rows)
            forward(p, p.x + base * p.x_row * p.size, p.x_row, &share, p.linked, 0)
            output_gradient(p, &share, 0, False)
            memcpy(j.losses + at, p.row_loss + base, rows * sizeof(double))
            if p.linked and j.Y != NULL:  # the loss has read z: what is left of the way to y
                l.k.forward[l.activation](rows, l.outputs, y, l.row, NULL, y, l.row, l.parameter)
        else:
            forward(p, j.X + at * p.inputs * p.size, p.inputs, &share, False, 0)
        if j.Y != NULL and l.row == p.outputs:
            memcpy(j.Y + at * l.row * p.size, y, rows * l.row * p.size)
        elif j.Y != NULL:
            for i in range(rows):
                copy_row(j.Y + (at + i) * p.outputs * p.size, y + i * l.row * p.size, p.outputs * p.size)
        at += rows
