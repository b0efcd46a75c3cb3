"""The C core's table of kernels and its registry of names: the one module that the C code is linked into."""

import os
from collections import namedtuple

Activation = namedtuple("Activation", "name index formula derivative reads rowwise init parameter parameter_default",
                        module=__name__)
Loss = namedtuple("Loss", "name index formula gradient reduction link", module=__name__)
OptimizerInfo = namedtuple("OptimizerInfo", "name index display formula source defaults", module=__name__)


def activations():
    """Every activation by name, as the rows of csrc/ops/activations.h say."""
    rows = {}
    for i in range(NNC_ACTIVATIONS):
        row = &nnc_activation_table[i]
        rows[row.name.decode()] = Activation(
            row.name.decode(), i, row.formula.decode(), row.derivative.decode(),
            "output" if row.reads == NNC_READS_OUTPUT else "input", bool(row.rowwise), row.init.decode(),
            row.parameter.decode(), row.parameter_default)
    return rows


def losses():
    """Every loss by name, as the rows of csrc/ops/losses.h say."""
    reductions = {NNC_MEAN: "mean", NNC_SUM: "sum", NNC_MEAN_OF_ROWS: "mean_of_rows"}
    rows = {}
    for i in range(NNC_LOSSES):
        row = &nnc_loss_table[i]
        link = nnc_activation_table[row.link].name.decode() if row.link >= 0 else None
        rows[row.name.decode()] = Loss(row.name.decode(), i, row.formula.decode(), row.gradient.decode(),
                                       reductions[row.reduction], link)
    return rows


def optimizers():
    """Every optimizer by name with its hyperparameters' defaults, as the rows of csrc/ops/optimizers.h say."""
    rows = {}
    for i in range(NNC_OPTIMIZERS):
        row = &nnc_optimizer_table[i]
        pairs = (pair.split("=") for pair in row.hyperparameters.decode().split())
        rows[row.name.decode()] = OptimizerInfo(row.name.decode(), i, row.display.decode(), row.formula.decode(), row.source.decode(),
                                                {name: float(value) for name, value in pairs})
    return rows


# ---- instruction sets -----------------------------------------------------------------------------------------------------


def isas():
    """Every instruction set that nncore knows, best first, and whether it is built in and this CPU has it."""
    return {nnc_isa_names[i].decode(): bool(nnc_isa_available(i)) for i in range(NNC_ISAS)}


def isa():
    """The instruction set in use."""
    return nnc_kernels_get(NNC_FLOAT32).isa.decode()


def select_isa(name=""):
    """Use one instruction set from the next call on ("" for the best). For tests; users set NNCORE_ISA before the import."""
    status = nnc_select(name.encode())
    if status != NNC_OK:
        known = isas()
        here = ", ".join(n for n, available in known.items() if available)
        if status == NNC_UNKNOWN_ISA:
            raise ValueError(f"NNCORE_ISA={name!r} is not an instruction set of nncore ({', '.join(known)}); "
                             f"this machine has: {here}")
        raise ValueError(f"NNCORE_ISA={name!r} is not available on this machine, which has: {here}")


select_isa(os.environ.get("NNCORE_ISA", ""))

cdef const nnc_kernels *kernels(long itemsize) noexcept nogil:
    return nnc_kernels_get(NNC_FLOAT32 if itemsize == 4 else NNC_FLOAT64)


# ---- threads --------------------------------------------------------------------------------------------------------------


MOST_THREADS = NNC_MOST_THREADS


def set_threads(count):
    """The most threads that a call uses when it is not told (0: one per CPU that this process may run on, or as many as a
    container's share of their time is worth)."""
    if isinstance(count, bool) or not hasattr(count, "__index__") or count < 0:
        raise ValueError(f"threads must be a whole number of 0 or more, got {count!r}")
    nnc_set_threads(min(count.__index__(), MOST_THREADS))


def threads():
    """The most threads that a call uses when it is not told."""
    return default_threads()


def threads_for(double work, int wanted=0, bint trial=False):
    """Threads that a call of so many multiplications needs room for: `wanted`, or where that is 0 what the work repays; trial: or
    might."""
    return team_for(work, WORTH_A_TRIAL if trial else WORTH_A_THREAD, wanted)


def _threads_from_environment():
    text = os.environ.get("NNCORE_NUM_THREADS", "").strip()
    if text:
        if not text.isdecimal() or int(text) < 1:
            raise ValueError(f"NNCORE_NUM_THREADS={text!r} must be a whole number of 1 or more")
        set_threads(int(text))
        return
    # OpenMP's, which joblib, dask and torchrun set for their workers: a number, or one for each depth of nesting
    text = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if text.isdecimal() and int(text) >= 1:
        set_threads(min(int(text), threads()))


_threads_from_environment()

cdef int default_threads() noexcept nogil:
    return nnc_threads()

cdef long l2_bytes() noexcept nogil:
    return nnc_l2_bytes()

cdef void parallel(int want, nnc_work work, void *context) noexcept nogil:
    nnc_parallel(want, work, context)

cdef void pieces(int want, int64_t n, int64_t least, int64_t grain, nnc_piece work, void *context) noexcept nogil:
    nnc_pieces(want, n, least, grain, work, context)

cdef int team_size(nnc_team *team) noexcept nogil:
    return nnc_team_size(team)

cdef void barrier(nnc_team *team) noexcept nogil:
    nnc_barrier(team)

cdef void shuffle(int64_t n, int64_t *index, uint64_t *state) noexcept nogil:
    nnc_shuffle(n, index, state)

cdef const nnc_activation_info *activation_info(int activation) noexcept nogil:
    return &nnc_activation_table[activation]

cdef const nnc_loss_info *loss_info(int loss) noexcept nogil:
    return &nnc_loss_table[loss]

cdef int optimizer_slots(int optimizer, const double *hyper) noexcept nogil:
    return nnc_optimizer_table[optimizer].slots(hyper)

cdef void optimizer_rescale(int optimizer, const double *before, const double *now, double *scale) noexcept nogil:
    nnc_optimizer_table[optimizer].rescale(before, now, scale)

cdef void optimizer_prepare(int optimizer, const double *hyper, double *carry, double *coef) noexcept nogil:
    nnc_optimizer_table[optimizer].prepare(hyper, carry, coef)



def chains(long inputs, long outputs):
    """Chains of summation of a layer (nnc.h)."""
    return nnc_chains(inputs, outputs)


# ---- plans ----------------------------------------------------------------------------------------------------------------

cdef int64_t plan_bytes(const nnc_kernels *k, int storage, int count, const nnc_plan_layer *layers, bint live) noexcept nogil:
    return nnc_plan_bytes(k, storage, count, layers, live)

cdef void plan_build(const nnc_kernels *k, int storage, int count, const nnc_plan_layer *layers, const void *base,
                     void *block) noexcept nogil:
    nnc_plan_build(k, storage, count, layers, base, block)

cdef bint plan_layer(const void *plan, int i, void *weight, void *bias, float *scale) noexcept nogil:
    return nnc_plan_layer_of(plan, i, weight, bias, scale)


# ---- build ----------------------------------------------------------------------------------------------------------------

cdef extern from *:
    """
    #if defined(__clang__)
    #define NNC_COMPILER "clang " __clang_version__
    #elif defined(__GNUC__)
    #define NNC_COMPILER "gcc " __VERSION__
    #else
    #define NNC_COMPILER "unknown"
    #endif
    """
    const char *NNC_COMPILER
    const char *CYTHON_VERSION "CYTHON_ABI"


def build_info():
    """What this build was made with."""
    return {"compiler": NNC_COMPILER.decode(), "cython": CYTHON_VERSION.decode().replace("_", ".")}
