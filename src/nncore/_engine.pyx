"""The engine: forward, backward and update over batches and epochs, with the GIL released once per stretch of steps.

Design:
a) What threads do is _team's; here is what they work on, and when they stop.
b) A stretch is as many steps as fit in some 20 ms (csrc/pace.h), so that Python can look at signals and the progress bar between
   stretches.
c) An engine works for one call at a time: Network hands each call one of its own, and a Trainer's, whose state is one, refuses a
   second call while the first is at it (_turn).
d) The optimizer's settings are the Trainer's. A call asks for them before each stretch, so that they may change meanwhile, and it
   alone, which has the engine, brings what hangs by them (slots) into line.
e) How many threads is measured, not guessed, where the work leaves it open: csrc/pace.h. The results do not depend on it.
"""

from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memcpy, memset

from time import perf_counter

import numpy as np

cimport numpy as cnp

from ._arena cimport Arena, Plan
from ._arena import aligned
from ._arrays cimport apart, in_place, in_unit, is_finite, labels_of
from ._kernels cimport (NNC_COEFS, NNC_MEAN, NNC_SUM, PART, WORTH_A_THREAD, WORTH_A_TRIAL, kernels, loss_info,
                        nnc_give, nnc_mix, nnc_pace, nnc_pace_note, nnc_pace_steps, nnc_pace_threads, optimizer_rescale,
                        optimizer_slots, parallel, shuffle, team_for)
from ._team cimport Job, predict_team, train_team
from ._turn cimport Turn

cnp.import_array()

WHOLE = (int, np.integer)
NUMBERS = (float, int, np.floating, np.integer)


cdef int numbers_of(settings, double *hyper) except -1:
    # an optimizer's settings as the core reads them: OUT hyper (NNC_COEFS,); returns how many slots they need
    cdef int i
    given = settings.hyper()
    for i in range(NNC_COEFS):
        hyper[i] = given[i] if i < len(given) else 0
    return optimizer_slots(settings.info.index, hyper)


cdef class Engine(Arena):
    """What a Trainer or a Network runs on: a workspace, a loss, and for training an optimizer with its state.

    Arguments beyond Arena's: `wanted`, threads asked for, 0: by the work. Arrays are checked by the callers: C-contiguous, of the
    parameters' dtype, whole.
    """
    cdef:
        Job job
        readonly Turn turn        # to train: the job is then that call's
        object settings           # of the optimizer, that the stretch goes by, and
        double hyper[NNC_COEFS]   # the same as the core reads them
        object slots              # arrays, and
        int slot_count            # how many: read while another thread may put others in place
        readonly long work        # multiplications per sample of a forward pass
        nnc_pace pace             # of batches
        long paced_batch          # of so many samples
        int paced_most            # and so many threads at most
        public int wanted
        uint64_t shuffle_state
        object order
        cnp.ndarray labels        # room for those of a quick step
        double double_target      # its target, where that is a number
        float float_target

    def __init__(self, layers, parameters, long rows, int threads, bint training, int wanted=0):
        super().__init__(layers, parameters, rows, threads, training)
        self.turn = Turn()
        self.wanted = wanted
        self.job.p = &self.plan
        self.job.sink.optimizer = -1
        self.job.sink.parameters = self.plan.layers[0].weight
        self.job.hyper = self.hyper
        self.slots = []
        self.forget_steps()
        self.work = sum(inputs * outputs for inputs, outputs, *_ in layers)

    cdef void forget_steps(self) noexcept:
        # what the optimizer carries from step to step besides its slots
        cdef int i
        for i in range(NNC_COEFS):
            self.job.carry[i] = 1

    cdef int raise_if_diverged(self) except -1:
        # after a stretch: the loss was not finite (nothing was changed then), or a weight would have become so (the others were
        # stepped, and the optimizer's slots are spoilt: it starts anew)
        if self.job.failed:
            raise FloatingPointError(f"the loss became {self.job.last_loss}. The network keeps the weights of the last finished step")
        if self.job.spoilt:
            nnc_give(&self.job.spoilt)
            for slot in self.slots:
                slot[:] = 0
            self.forget_steps()
            raise FloatingPointError("a weight, or the optimizer's moment of one, would have become nan or inf. Each such weight "
                                     "keeps its value, the others took the step, and the moments start anew")
        return 0

    cdef int team_for(self, double work, double worth) noexcept:
        # threads for a call of `work` multiplications, where each must have `worth` of them to do
        cdef int team = team_for(work, worth, self.wanted)
        return team if team < self.threads else self.threads

    def set_loss(self, int loss):
        """The loss (its index), and whether it is fused with the output's activation."""
        cdef Plan *p = &self.plan
        p.loss = loss
        p.linked = loss_info(loss).link == p.layers[p.count - 1].activation
        self.job.by_rows = loss_info(loss).reduction != NNC_SUM
        self.job.factor = 1.0 / p.outputs if loss_info(loss).reduction == NNC_MEAN else 1.0

    cdef int go_by(self, settings) except -1:
        # of the optimizer, for the call whose turn it is, between stretches: another kind has slots of its own
        cdef:
            int count, i
            double hyper[NNC_COEFS]
            double scale[2]
        if settings is self.settings:
            return 0
        count = numbers_of(settings, hyper)
        if self.job.sink.optimizer != settings.info.index or self.slot_count != count:
            self.slots = [aligned(self.parameters.size, self.parameters.dtype, self.parameters, 1 + i) for i in range(count)]
            self.forget_steps()
        else:
            optimizer_rescale(settings.info.index, self.hyper, hyper, scale)
            for i in range(count):
                if scale[i] != 1:
                    with np.errstate(over="ignore"):  # the next step finds and says it
                        np.multiply(self.slots[i], scale[i], out=self.slots[i])
        memcpy(self.hyper, hyper, sizeof(hyper))
        self.settings = settings
        self.point()
        return 0

    cdef void point(self) noexcept:
        # the job at the optimizer's slots
        self.slot_count = len(self.slots)
        self.job.sink.optimizer = self.settings.info.index
        self.job.sink.slot0 = <char *>cnp.PyArray_DATA(<cnp.ndarray>self.slots[0]) if len(self.slots) > 0 else NULL
        self.job.sink.slot1 = <char *>cnp.PyArray_DATA(<cnp.ndarray>self.slots[1]) if len(self.slots) > 1 else NULL

    def refuses(self, settings):
        """Whether a call is at work that these settings, of another kind of optimizer, would upset."""
        cdef:
            double hyper[NNC_COEFS]
            int count = numbers_of(settings, hyper)
        return self.turn.taken() and (self.job.sink.optimizer != settings.info.index or self.slot_count != count)

    @property
    def steps(self):
        """Steps taken so far."""
        return self.job.step

    def get_state(self):
        """Everything that training goes on from besides the parameters: (settings, steps, carry, slots, order of samples, dropout's
        key). Refused while another thread trains, but not to what that one calls between stretches, as a handler of signals."""
        cdef bint mine = self.turn.mine()
        if not mine:
            self.turn.take(self)
        try:
            return (self.settings, self.job.step, [self.job.carry[i] for i in range(NNC_COEFS)], [slot.copy() for slot in self.slots],
                    self.shuffle_state, self.job.dropout_key)
        finally:
            if not mine:
                self.turn.give(self)

    def set_state(self, state):
        """Go on from what get_state gave. ValueError, and nothing has changed, where that was of another network."""
        cdef:
            int i
            double hyper[NNC_COEFS]
        if len(state) != 6:
            raise TypeError(f"a state has 6 parts, this one {len(state)}")
        settings, step, carry, slots, shuffle_state, dropout_key = state
        if settings is not None:
            found = [(slot.size, slot.dtype.name) for slot in slots]
            mine = self.parameters.size, self.parameters.dtype.name
            if found != [mine] * numbers_of(settings, hyper) or len(carry) != NNC_COEFS:
                raise ValueError(f"the state is of another network: moments of {found} for parameters of {mine}")
            self.go_by(settings)
            for own, theirs in zip(self.slots, slots):
                own[:] = theirs
        for i in range(NNC_COEFS):
            self.job.carry[i] = carry[i]
        self.job.step, self.shuffle_state, self.job.dropout_key = step, shuffle_state, dropout_key

    def take_over(self, Engine old):
        """Go on where `old`, an engine of the same network, is: for the call that has its turn, and never gives it back."""
        self.settings, self.slots = old.settings, old.slots
        memcpy(self.hyper, old.hyper, sizeof(self.hyper))
        memcpy(self.job.carry, old.job.carry, sizeof(self.job.carry))
        self.job.step, self.job.dropout_key, self.shuffle_state = old.job.step, old.job.dropout_key, old.shuffle_state
        if self.settings is not None:
            self.point()

    def seed(self, seed):
        """Start the order of samples and dropout from this seed (any whole number)."""
        self.shuffle_state = nnc_mix(<uint64_t>(seed & 0xFFFFFFFFFFFFFFFF))
        self.job.dropout_key = nnc_mix(self.shuffle_state) | 1

    cdef int load(self, cnp.ndarray X, y, cnp.ndarray weights=None) except -1:
        # point the job at the samples; y: int32 labels (n,), dense (n, outputs), or None; weights: float64 (n,), or None
        cdef cnp.ndarray target
        self.plan.finite = False
        self.job.X = <const char *>cnp.PyArray_DATA(X)
        self.job.samples = X.shape[0]
        self.job.T = NULL
        self.job.labels = NULL
        self.job.weights = <const double *>cnp.PyArray_DATA(weights) if weights is not None else NULL
        if y is not None:
            target = y
            if target.dtype == np.int32 and target.ndim == 1:
                self.job.labels = <const int32_t *>cnp.PyArray_DATA(target)
            else:
                self.job.T = <const char *>cnp.PyArray_DATA(target)
        return 0

    def epoch(self, cnp.ndarray X, y, cnp.ndarray weights, long batch, bint shuffled, settings, tick=None):
        """One pass over X (n, inputs) and y in batches, for whoever holds the engine; returns the mean (or sum) loss over it. weights:
        float64 (n,), what each sample's loss is multiplied by, or None.

        settings() is the optimizer's, asked before each stretch. tick, if given, is called some fifty times a second with the
        fraction done. An exception in either, or Ctrl-C, leaves the network at the last finished step. Raises FloatingPointError
        when the loss or a weight is not finite.
        """
        cdef:
            cnp.ndarray order
            Job *j = &self.job
            double began
            long at = 0, n = X.shape[0]
            int team, guess, most
        self.load(X, y, weights)
        self.plan.finite = self.finite(self.parameters)  # a step leaves them so
        j.order = NULL
        if shuffled:
            if self.order is None or self.order.shape[0] != n:
                self.order = np.empty(n, np.int64)
            order = self.order
            j.order = <const int64_t *>cnp.PyArray_DATA(order)
            with nogil:
                shuffle(n, <int64_t *>j.order, &self.shuffle_state)
        j.batch = batch
        j.loss_sum = 0
        guess = self.team_for(3.0 * self.work * batch, WORTH_A_THREAD)
        most = self.team_for(3.0 * self.work * batch, WORTH_A_TRIAL) if self.wanted == 0 else 1  # 1: there is no choice
        if batch != self.paced_batch or most != self.paced_most:
            memset(&self.pace, 0, sizeof(self.pace))
            self.paced_batch, self.paced_most = batch, most
        while at < n:
            began = perf_counter()
            team = nnc_pace_threads(&self.pace, guess, most)
            j.start = at
            j.steps = nnc_pace_steps(&self.pace, team, most)
            self.train(team, settings())
            at += j.seen
            PyErr_CheckSignals()
            if tick is not None:
                tick(at / <double>n)
            nnc_pace_note(&self.pace, team, most, j.steps, j.done, perf_counter() - began)
        return j.loss_sum * j.factor / (n if j.by_rows else 1)

    cdef int train(self, int team, settings) except -1:
        # the stretch of steps that the job describes
        cdef Job *j = &self.job
        self.go_by(settings)
        with nogil:
            parallel(team, train_team, j)
        j.step += j.done
        return self.raise_if_diverged()

    def step(self, cnp.ndarray X, y, cnp.ndarray weights, settings):
        """One step on the batch X (rows, inputs), y, weights (as for `epoch`), with rows <= the workspace's; returns its loss."""
        self.turn.take(self)
        try:
            self.load(X, y, weights)
            return self.one_step(settings)
        finally:
            self.turn.give(self)

    def quick_step(self, x, y, settings):
        """`step` on plain arrays as they are, or None where a check that has words must look at them: more rows than there is room
        for, anything to convert or to refuse."""
        cdef:
            Plan *p = &self.plan
            Job *j = &self.job
            long rows = 1
            bint one = self.plain(x, 1, p.inputs)
        if not one:
            if not self.plain(x, 2, p.inputs):
                return None
            rows = cnp.PyArray_DIM(<cnp.ndarray>x, 0)
        if rows < 1 or rows > p.rows or p.k != kernels(p.size) or not self.finite(x):
            return None
        self.turn.take(self)
        try:
            if not self.quick_targets(y, rows, one):
                return None
            p.finite = False
            j.X, j.samples = <const char *>cnp.PyArray_DATA(<cnp.ndarray>x), rows
            return self.one_step(settings)
        finally:
            self.turn.give(self)

    cdef bint quick_targets(self, y, long rows, bint one) except -1:
        # the job at the targets of so many rows (one: of a sample without the axis of samples), as as_targets takes them; False
        # where that must look at them
        cdef:
            Plan *p = &self.plan
            Job *j = &self.job
            bint linked = loss_info(p.loss).link >= 0
        j.T, j.labels, j.weights = NULL, NULL, NULL
        if p.layers[p.count - 1].rowwise:
            if not linked:
                return False
            if self.labels is None or self.labels.shape[0] < rows:
                self.labels = np.empty(p.rows, np.int32)
            j.labels = <const int32_t *>cnp.PyArray_DATA(self.labels)
            if rows == 1 and isinstance(y, WHOLE):
                if not 0 <= y < p.outputs:
                    return False
                (<int32_t *>j.labels)[0] = y
                return True
            return labels_of(<PyObject *>y, rows, p.outputs, <int32_t *>j.labels)
        if one and p.outputs == 1 and isinstance(y, NUMBERS):
            try:
                self.double_target = y
            except OverflowError:
                return False
            self.float_target = <float>self.double_target
            j.T = <const char *>&self.float_target if p.size == 4 else <const char *>&self.double_target
        elif self.plain(y, 1 if one else 2, p.outputs) and (one or cnp.PyArray_DIM(<cnp.ndarray>y, 0) == rows):
            j.T = <const char *>cnp.PyArray_DATA(<cnp.ndarray>y)
        elif not one and p.outputs == 1 and self.plain(y, 1, rows):
            j.T = <const char *>cnp.PyArray_DATA(<cnp.ndarray>y)
        else:
            return False
        if linked:
            return in_unit(j.T, rows * p.outputs, p.size)
        return is_finite(j.T, rows * p.outputs, p.size)

    cdef object one_step(self, settings):
        # on the samples that the job points to
        self.train(self.whole(), settings)
        return self.job.last_loss

    cdef int whole(self) noexcept:
        # the job: one step on all samples; returns its threads
        cdef Job *j = &self.job
        j.order = NULL
        j.start, j.steps, j.batch, j.loss_sum = 0, 1, j.samples, 0
        return self.team_for(3.0 * self.work * j.samples, WORTH_A_THREAD)

    def gradients(self, cnp.ndarray X, y, cnp.ndarray weights, cnp.ndarray out):
        """Loss on X, y, weights (as for `epoch`), and its gradient with respect to every parameter into `out`, in the parameters'
        order. Changes nothing."""
        cdef:
            Job *j = &self.job
            int team
        self.load(X, y, weights)
        team = self.whole()
        j.sink.gradient = <char *>cnp.PyArray_DATA(out)
        with nogil:
            parallel(team, train_team, j)
        if j.failed:
            raise FloatingPointError(f"the loss is {j.last_loss}, which has no gradient: scale the inputs and targets to about 1, or "
                                     "use dtype='float64'; weights must be finite")
        return j.last_loss

    def answer(self, X, out):
        """The network's answer to X in `out`, or in a new array, if both are plain and X is finite; None where a check that has
        words must look at them."""
        cdef cnp.npy_intp shape[2]
        if not self.plain(X, 2, self.plan.inputs) or cnp.PyArray_DIM(<cnp.ndarray>X, 0) == 0:
            return None
        shape[0], shape[1] = cnp.PyArray_DIM(<cnp.ndarray>X, 0), self.plan.outputs
        if out is not None and not (self.plain(out, 2, shape[1]) and cnp.PyArray_DIM(<cnp.ndarray>out, 0) == shape[0]
                                    and cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out)
                                    and (apart(<PyObject *>X, <PyObject *>out) or in_place(<PyObject *>X, <PyObject *>out))):
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
        self.in_parts(<char *>cnp.PyArray_DATA(out), NULL)

    cdef int in_parts(self, char *out, double *losses) except -1:
        # predict_team on the job's samples, so many at a time that Ctrl-C need not wait
        cdef:
            Job *j = &self.job
            Plan *p = &self.plan
            long most = 1 + PART // (self.work + 1), left = j.samples
            int team
        j.Y, j.losses = out, losses
        while left > 0:
            j.samples = left if left < most else most
            team = self.team_for(<double>self.work * j.samples, WORTH_A_THREAD)
            with nogil:
                parallel(team, predict_team, j)
            j.X += j.samples * p.inputs * p.size
            if j.Y != NULL:
                j.Y += j.samples * p.outputs * p.size
            if j.losses != NULL:
                j.losses += j.samples
            if j.T != NULL:
                j.T += j.samples * p.outputs * p.size
            if j.labels != NULL:
                j.labels += j.samples
            left -= j.samples
            PyErr_CheckSignals()
        return 0

    def losses(self, cnp.ndarray X, y, cnp.ndarray weights, cnp.ndarray out, cnp.ndarray answers=None):
        """out (n,) float64 = the loss of each sample, unscaled; returns the mean (or sum) as the loss's reduction says, each times its
        weight (as for `epoch`). answers, if given, (n, outputs) = the network's to X."""
        cdef:
            double *losses = <double *>cnp.PyArray_DATA(out)
            const double *weight = <const double *>cnp.PyArray_DATA(weights) if weights is not None else NULL
            double total = 0
            long i, n = X.shape[0]
        self.load(X, y)
        self.job.order = NULL
        self.in_parts(<char *>cnp.PyArray_DATA(answers) if answers is not None else NULL, losses)
        for i in range(n):
            if weight == NULL:
                total += losses[i]
            elif weight[i] != 0:  # what counts for nothing does so even where its loss is infinite
                total += losses[i] * weight[i]
        return total * self.job.factor / (n if self.job.by_rows else 1)
