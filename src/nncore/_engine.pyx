"""The engine: forward, backward and update over batches and epochs, with the GIL released once per stretch of steps.

Design:
a) What threads do is _team's; here is what they work on, and when they stop.
b) A stretch is as many steps as fit in some 20 ms (csrc/pace.h), so that Python can look at signals and the progress bar between
   stretches.
c) An engine works for one call at a time: Network hands each call one of its own, and a Trainer's, whose state is one, refuses a
   second call while the first is at it. Hyperparameters may be set meanwhile: the next stretch goes by them. A critical section
   stands for the GIL where there is none, and costs nothing where there is one.
d) How many threads is measured, not guessed, where the work leaves it open: csrc/pace.h. The results do not depend on it.
"""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memcpy

from time import perf_counter

import cython
import numpy as np

cimport numpy as cnp

from ._arena cimport Arena, Plan
from ._arena import aligned
from ._kernels cimport (NNC_COEFS, NNC_FLOAT32, NNC_FLOAT64, NNC_MEAN, NNC_SUM, NNC_SLOTS, default_threads, kernels, loss_info,
                        nnc_mix, nnc_pace, nnc_pace_note, nnc_pace_steps, nnc_pace_threads, optimizer_slots, parallel, shuffle)
from ._team cimport Job, predict_team, train_team

cnp.import_array()

AT_WORK = "this Trainer is at work in another call; one at a time may train with it"

cdef double WORTH_A_THREAD = 2e6    # multiplications per thread that certainly repay it, where nothing has been measured
cdef double WORTH_A_TRIAL = 2e5     # below which a thread is not even tried: waking and waiting for it cost more


cdef class Engine(Arena):
    """What a Trainer or a Network runs on: a workspace, a loss, and for training an optimizer with its state.

    Arguments beyond Arena's are set by `set_loss` and `set_optimizer`. Arrays are checked by the callers: C-contiguous, of the
    parameters' dtype, whole.
    """
    cdef:
        Job job
        bint taken                # some call is training
        double hyper[8]           # as they were set
        double in_force[8]        # and as they were when the stretch began, which all of its steps and threads go by
        object slots
        int slot_count            # -1: no optimizer yet
        readonly long work        # multiplications per sample of a forward pass
        nnc_pace pace
        public int wanted         # threads asked for, 0: by the work
        uint64_t shuffle_state
        object order

    def __init__(self, layers, parameters, long rows, int threads, bint training, int wanted=0):
        super().__init__(layers, parameters, rows, threads, training)
        cdef int i
        self.wanted = wanted
        self.job.p = &self.plan
        self.job.optimizer = -1
        self.slot_count = -1
        for i in range(NNC_COEFS):
            self.job.carry[i] = 1
        self.work = 0
        for i in range(self.plan.count):
            self.work += self.plan.layers[i].inputs * self.plan.layers[i].outputs

    cdef int raise_if_diverged(self) except -1:
        # after a stretch: the loss was not finite (nothing was changed then), or a step would have made a weight so (which was
        # kept, but the optimizer's slots are spoilt: it starts anew)
        cdef int i
        if self.job.failed:
            raise FloatingPointError(f"the loss became {self.job.last_loss}")
        if self.job.sink.trouble:
            self.job.sink.trouble = 0
            for slot in self.slots:
                slot[:] = 0
            for i in range(NNC_COEFS):
                self.job.carry[i] = 1
            raise FloatingPointError("a weight would have become nan or inf")
        return 0

    cdef int take(self) except -1:
        # before the job is touched by what trains, with the settings of now; `give` ends it
        cdef bint before
        with cython.critical_section(self):
            before = self.taken
            self.taken = True
            if not before:
                memcpy(self.in_force, self.hyper, sizeof(self.hyper))
        if before:
            raise RuntimeError(AT_WORK)
        return 0

    cdef void give(self) noexcept:
        with cython.critical_section(self):
            self.taken = False

    cdef int team_for(self, double work, double worth) noexcept:
        # threads for a call of `work` multiplications, where each must have `worth` of them to do
        cdef int most = self.wanted if self.wanted > 0 else default_threads()
        if most > self.threads:
            most = self.threads
        if self.wanted == 0 and most > work / worth:
            most = <int>(work / worth)
        return most if most > 1 else 1

    def set_loss(self, int loss):
        """The loss (its index), and whether it is fused with the output's activation."""
        cdef Plan *p = &self.plan
        p.loss = loss
        p.linked = loss_info(loss).link == p.layers[p.count - 1].activation
        self.job.by_rows = loss_info(loss).reduction != NNC_SUM
        self.job.factor = 1.0 / p.outputs if loss_info(loss).reduction == NNC_MEAN else 1.0

    def set_optimizer(self, int optimizer, hyper):
        """The optimizer (its index) and its hyperparameters; slots are made anew where they are not there yet, which is refused
        while a call trains."""
        cdef:
            int i, count
            double given[8]
        for i in range(NNC_COEFS):
            given[i] = hyper[i] if i < len(hyper) else 0
        count = optimizer_slots(optimizer, given)
        if not self.take_up(optimizer, count, given, None):
            self.take_up(optimizer, count, given, [aligned(self.parameters.size, self.parameters.dtype, self.parameters, 1 + i)
                                                   for i in range(count)])

    cdef bint take_up(self, int optimizer, int count, const double *given, list slots) except -1:
        # whether that was done: not where new slots are needed and None are given
        cdef:
            int i
            object old = None
            bint fits, refused, done
            char *slot[2]
        for i in range(NNC_SLOTS):
            slot[i] = <char *>cnp.PyArray_DATA(<cnp.ndarray>slots[i]) if slots is not None and i < count else NULL
        with cython.critical_section(self):  # nothing in here may let another thread in: `old` is freed behind it
            fits = self.job.optimizer == optimizer and self.slot_count == count
            refused = self.taken and not fits
            done = fits or slots is not None and not refused
            if done:
                memcpy(self.hyper, given, sizeof(self.hyper))
            if done and not fits:
                old, self.slots = self.slots, slots
                self.slot_count = count
                self.job.sink.slot0, self.job.sink.slot1 = slot[0], slot[1]
                self.job.optimizer = optimizer
                self.job.hyper = self.in_force
                for i in range(NNC_COEFS):
                    self.job.carry[i] = 1
        if refused:
            raise RuntimeError(AT_WORK)
        return done

    @property
    def isa(self):
        """The instruction set it was made for."""
        return self.plan.k.isa.decode()

    @property
    def rows(self):
        """The largest batch it has room for."""
        return self.plan.rows

    @property
    def steps(self):
        """Steps taken so far."""
        return self.job.step

    def get_state(self):
        """Everything that training goes on from besides the parameters: (steps, carry, slots, order of samples)."""
        with cython.critical_section(self):
            slots = self.slots or []
        return (self.job.step, [self.job.carry[i] for i in range(NNC_COEFS)], [s.copy() for s in slots],
                self.shuffle_state, self.job.dropout_key)

    def set_state(self, state):
        cdef int i
        self.job.step, carry, slots, self.shuffle_state, self.job.dropout_key = state
        for i in range(NNC_COEFS):
            self.job.carry[i] = carry[i]
        for mine, theirs in zip(self.slots or [], slots):
            mine[:] = theirs

    def seed(self, seed):
        """Start the order of samples and dropout from this seed (any whole number)."""
        self.shuffle_state = nnc_mix(<uint64_t>(seed & 0xFFFFFFFFFFFFFFFF))
        self.job.dropout_key = nnc_mix(self.shuffle_state) | 1

    cdef int load(self, cnp.ndarray X, y) except -1:
        # point the job at the samples; y: int32 labels (n,), dense (n, outputs), or None
        cdef cnp.ndarray target
        self.job.X = <const char *>cnp.PyArray_DATA(X)
        self.job.X_row = X.strides[0] // self.plan.size
        self.job.samples = X.shape[0]
        self.job.T = NULL
        self.job.labels = NULL
        if y is not None:
            target = y
            if target.dtype == np.int32 and target.ndim == 1:
                self.job.labels = <const int32_t *>cnp.PyArray_DATA(target)
            else:
                self.job.T = <const char *>cnp.PyArray_DATA(target)
        return 0

    def epoch(self, cnp.ndarray X, y, long batch, bint shuffled, tick=None):
        """One pass over X (n, inputs) and y in batches; returns the mean (or sum) loss over it.

        tick, if given, is called some fifty times a second with the fraction done. An exception in it, or Ctrl-C, leaves the
        network at the last finished step. Raises FloatingPointError when the loss is not finite.
        """
        self.take()
        try:
            return self.all_steps(X, y, batch, shuffled, tick)
        finally:
            self.give()

    cdef object all_steps(self, cnp.ndarray X, y, long batch, bint shuffled, tick):
        # of an epoch
        cdef:
            cnp.ndarray order
            Job *j = &self.job
            double loss_sum = 0, began
            long at = 0
            long n = X.shape[0]
            int team, guess, most
        self.load(X, y)
        j.order = NULL
        if shuffled:
            if self.order is None or self.order.shape[0] != n:
                self.order = np.empty(n, np.int64)
            order = self.order
            j.order = <const int64_t *>cnp.PyArray_DATA(order)
            with nogil:
                shuffle(n, <int64_t *>j.order, &self.shuffle_state)
        j.batch = batch
        j.sink.optimizer = j.optimizer
        j.sink.parameters = self.plan.layers[0].weight
        guess = self.team_for(3.0 * self.work * batch, WORTH_A_THREAD)
        most = self.team_for(3.0 * self.work * batch, WORTH_A_TRIAL) if self.wanted == 0 else 1  # 1: there is no choice
        while at < n:
            began = perf_counter()
            team = nnc_pace_threads(&self.pace, guess, most)
            j.start = at
            j.steps = nnc_pace_steps(&self.pace, team, most)
            with cython.critical_section(self):
                memcpy(self.in_force, self.hyper, sizeof(self.hyper))
            with nogil:
                parallel(team, train_team, j)
            loss_sum += j.loss_sum
            at += j.seen
            j.step += j.done
            self.raise_if_diverged()
            PyErr_CheckSignals()
            if tick is not None:
                tick(at / <double>n)
            nnc_pace_note(&self.pace, team, most, j.steps, j.done, perf_counter() - began)
        return loss_sum * self.job.factor / (n if self.job.by_rows else 1)

    def step(self, cnp.ndarray X, y):
        """One step on the batch X (rows, inputs), y, with rows <= the workspace's; returns its loss."""
        self.take()
        try:
            self.load(X, y)
            return self.one_step()
        finally:
            self.give()

    def quick_step(self, x, y):
        """`step` on plain arrays as they are, or None where a check that has words must look at them: targets that are classes or
        probabilities, more rows than there is room for, anything to convert or to refuse."""
        cdef:
            Plan *p = &self.plan
            Job *j = &self.job
            long rows = 1
        if (loss_info(p.loss).link >= 0 or p.layers[p.count - 1].rowwise
                or p.k != kernels(NNC_FLOAT32 if p.size == 4 else NNC_FLOAT64)):
            return None
        if self.plain(x, 1, p.inputs):
            if not self.plain(y, 1, p.outputs):
                return None
        elif self.plain(x, 2, p.inputs):
            rows = cnp.PyArray_DIM(<cnp.ndarray>x, 0)
            if not (self.plain(y, 2, p.outputs) and cnp.PyArray_DIM(<cnp.ndarray>y, 0) == rows
                    or p.outputs == 1 and self.plain(y, 1, rows)):
                return None
        else:
            return None
        if rows < 1 or rows > p.rows or not self.finite(x) or not self.finite(y):
            return None
        self.take()
        try:
            j.X, j.X_row, j.samples = <const char *>cnp.PyArray_DATA(<cnp.ndarray>x), p.inputs, rows
            j.T, j.labels = <const char *>cnp.PyArray_DATA(<cnp.ndarray>y), NULL
            return self.one_step()
        finally:
            self.give()

    cdef object one_step(self):
        # on the samples that the job points to
        cdef Job *j = &self.job
        j.order = NULL
        j.batch = j.samples
        j.start = 0
        j.steps = 1
        j.sink.optimizer = j.optimizer
        j.sink.parameters = self.plan.layers[0].weight
        cdef int team = self.team_for(3.0 * self.work * j.samples, WORTH_A_THREAD)
        with nogil:
            parallel(team, train_team, j)
        j.step += j.done
        self.raise_if_diverged()
        return j.last_loss

    def gradients(self, cnp.ndarray X, y, cnp.ndarray out):
        """Loss on X, y, and its gradient with respect to every parameter into `out`, in the parameters' order. Changes nothing."""
        cdef:
            Job *j = &self.job
            int optimizer = j.optimizer
        self.load(X, y)
        j.order = NULL
        j.batch = j.samples
        j.start = 0
        j.steps = 1
        j.optimizer = j.sink.optimizer = -1
        j.sink.gradient = <char *>cnp.PyArray_DATA(out)
        cdef uint64_t key = j.dropout_key
        j.dropout_key = 0
        cdef int team = self.team_for(3.0 * self.work * j.samples, WORTH_A_THREAD)
        with nogil:
            parallel(team, train_team, j)
        j.optimizer = optimizer
        j.dropout_key = key
        if j.failed:
            raise FloatingPointError(f"the loss is {j.last_loss}")
        return j.last_loss

    def answer(self, X, out):
        """The network's answer to X in `out`, or in a new array, if both are plain and X is finite; None where a check that has
        words must look at them."""
        cdef cnp.npy_intp shape[2]
        if not self.plain(X, 2, self.plan.inputs) or cnp.PyArray_DIM(<cnp.ndarray>X, 0) == 0:
            return None
        shape[0], shape[1] = cnp.PyArray_DIM(<cnp.ndarray>X, 0), self.plan.outputs
        if out is not None and not (self.plain(out, 2, shape[1]) and cnp.PyArray_DIM(<cnp.ndarray>out, 0) == shape[0]
                                    and cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out)):
            return None
        if not self.finite(X):
            return None
        if out is None:
            out = cnp.PyArray_EMPTY(2, shape, self.kind, 0)
        self.predict(X, out)
        return out

    cpdef predict(self, cnp.ndarray X, cnp.ndarray out):
        """out (n, outputs) = the network's answer to X (n, inputs)."""
        self.load(X, None)
        self.job.Y = <char *>cnp.PyArray_DATA(out)
        self.job.Y_row = out.strides[0] // self.plan.size
        cdef int team = self.team_for(<double>self.work * self.job.samples, WORTH_A_THREAD)
        with nogil:
            parallel(team, predict_team, &self.job)

    def losses(self, cnp.ndarray X, y, cnp.ndarray out):
        """out (n,) float64 = the loss of each sample, unscaled; returns the mean (or sum) as the loss's reduction says."""
        self.load(X, y)
        self.job.order = NULL
        self.job.Y = <char *>cnp.PyArray_DATA(out)
        cdef int team = self.team_for(<double>self.work * self.job.samples, WORTH_A_THREAD)
        with nogil:
            parallel(team, predict_team, &self.job)
        cdef:
            double total = 0
            long i
        for i in range(self.job.samples):
            total += (<double *>self.job.Y)[i]
        return total * self.job.factor / (self.job.samples if self.job.by_rows else 1)
