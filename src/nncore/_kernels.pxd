# The C core as Cython sees it: all of it that is linked in. (nncore.h is _plan's, as users' code sees it; _arrays.h is inline.)
#
# The C code is linked into this one module. The others call kernels through the table, and the few free functions through the
# wrappers below, so that there is one pool of threads and one choice of instruction set in a process.

from libc.stdint cimport int64_t, uint64_t

cdef extern from "nnc.h" nogil:
    enum: NNC_ALIGN, NNC_PAGE, NNC_SLACK, NNC_COEFS, NNC_ISAS
    enum: NNC_ACTIVATIONS, NNC_LOSSES, NNC_OPTIMIZERS
    enum: NNC_FLOAT32, NNC_FLOAT64, NNC_READS_OUTPUT, NNC_READS_INPUT, NNC_MEAN, NNC_SUM, NNC_MEAN_OF_ROWS
    enum: NNC_identity
    enum: NNC_ADD, NNC_SKIP_ZEROS, NNC_HALF
    enum: NNC_OK, NNC_UNKNOWN_ISA, NNC_UNSUPPORTED_ISA

    ctypedef struct nnc_activation_info:
        const char *name
        const char *formula
        const char *derivative
        int reads
        int rowwise
        const char *init
        const char *parameter
        double parameter_default

    ctypedef struct nnc_loss_info:
        const char *name
        const char *formula
        const char *gradient
        int reduction
        int link

    ctypedef struct nnc_optimizer_info:
        const char *name
        const char *display
        const char *formula
        const char *source
        const char *hyperparameters
        int (*slots)(const double *hyper) noexcept nogil
        void (*prepare)(const double *hyper, double *carry, double *coef) noexcept nogil
        void (*rescale)(const double *before, const double *now, double *scale) noexcept nogil

    const nnc_activation_info nnc_activation_table[]
    const nnc_loss_info nnc_loss_table[]
    const nnc_optimizer_info nnc_optimizer_table[]

    ctypedef struct nnc_kernels:
        const char *isa
        int itemsize, lanes, mr, nr
        void (*matmul)(long m, long n, long k, const void *a, long a_row, long a_col, const void *b, long b_row, long b_panel,
                       void *c, long c_row, int chains, int how) noexcept nogil
        int (*skips)(long m, long n, long k, const void *a, long a_row, int sixteenths) noexcept nogil
        void (*matvec)(long m, long k, const void *a, long a_row, const void *b, void *c, long c_row) noexcept nogil
        void (*matvec_t)(long n, long k, const void *x, const void *w, long w_row, void *z) noexcept nogil
        void (*copy)(long rows, long cols, const void *src, long src_row, void *dst, long dst_row) noexcept nogil
        void (*turn)(long rows, long cols, const void *src, long src_row, void *dst, long dst_row) noexcept nogil
        void (*pack)(long k, long n, const void *src, long src_row, void *dst) noexcept nogil
        void (*pack_t)(long k, long n, const void *src, long src_row, void *dst) noexcept nogil
        void (**forward)(long rows, long cols, void *z, long z_row, const void *bias, void *y, long y_row,
                         double parameter) noexcept nogil
        void (**backward)(long rows, long cols, void *dy, long dy_row, const void *saved, long saved_row,
                          double parameter) noexcept nogil
        void (**loss)(long rows, long cols, const void *o, long o_row, const void *t, long t_row, void *dz, long dz_row,
                      double scale, double *row_loss) noexcept nogil
        void (**update)(long rows, long cols, const void *g, long g_row, void *p, void *s0, void *s1, long p_row,
                        const double *coef, int decay, int *trouble) noexcept nogil
        void (*flush)(long n, void *x) noexcept nogil
        void (*dropout)(long rows, long cols, const void *x, long x_row, void *y, long y_row, double rate, uint64_t key,
                        long row0) noexcept nogil

    int nnc_chains(long k, long n)
    bint nnc_makes_zeros(int activation)
    const nnc_kernels *nnc_kernels_for(const nnc_kernels *k, long columns)
    uint64_t nnc_mix(uint64_t x)
    void nnc_prefetch(const void *start, long nbytes)

    const char *nnc_isa_names[]
    int nnc_isa_available(int isa)
    int nnc_select(const char *name)
    const nnc_kernels *nnc_kernels_get(int dtype)

    enum: NNC_MOST_THREADS
    ctypedef struct nnc_team:
        pass
    ctypedef void (*nnc_work)(void *context, int index, nnc_team *team) noexcept nogil
    void nnc_parallel(int want, nnc_work work, void *context)
    ctypedef void (*nnc_piece)(void *context, int index, int64_t first, int64_t count) noexcept nogil
    void nnc_pieces(int want, int64_t n, int64_t least, int64_t grain, nnc_piece work, void *context)
    int nnc_team_size(const nnc_team *team)
    void nnc_barrier(nnc_team *team)
    int nnc_threads()
    long nnc_l2_bytes()
    void nnc_set_threads(int most)
    bint nnc_take(char *flag)
    void nnc_give(char *flag)
    int NNC_LEFT
    int nnc_take_as(int *owner, int process)
    void nnc_give_as(int *owner)
    void nnc_shuffle(int64_t n, int64_t *index, uint64_t *state)

cdef extern from "pace.h" nogil:
    ctypedef struct nnc_pace:
        pass
    int nnc_pace_threads(nnc_pace *p, int guess, int most)
    long nnc_pace_steps(const nnc_pace *p, int threads, int most)
    void nnc_pace_note(nnc_pace *p, int threads, int most, long steps, long done, double seconds)

cdef extern from "plan.h" nogil:
    enum: NNC_FULL, NNC_BFLOAT16, NNC_INT8

    ctypedef struct nnc_plan_layer:
        int64_t inputs, outputs
        int activation
        double parameter
        const void *weight
        const void *bias
        const float *scale
    int64_t nnc_plan_bytes(const nnc_kernels *k, int storage, int count, const nnc_plan_layer *layers, int live)
    void nnc_plan_build(const nnc_kernels *k, int storage, int count, const nnc_plan_layer *layers, const void *base, void *block)
    int64_t nnc_plan_stack_rows(const void *plan)
    int64_t nnc_plan_rows(const void *plan)
    int64_t nnc_plan_least(const void *plan)
    int64_t nnc_plan_grain(const void *plan)
    int nnc_plan_small(const void *plan)
    int nnc_plan_layer_of(const void *plan, int i, void *weight, void *bias, float *scale)

cdef const nnc_kernels *kernels(long itemsize) noexcept nogil  # of the selected instruction set
cdef int64_t plan_bytes(const nnc_kernels *k, int storage, int count, const nnc_plan_layer *layers, bint live) noexcept nogil
cdef void plan_build(const nnc_kernels *k, int storage, int count, const nnc_plan_layer *layers, const void *base,
                     void *block) noexcept nogil
cdef bint plan_layer(const void *plan, int i, void *weight, void *bias, float *scale) noexcept nogil
cdef void parallel(int want, nnc_work work, void *context) noexcept nogil
cdef void pieces(int want, int64_t n, int64_t least, int64_t grain, nnc_piece work, void *context) noexcept nogil
cdef int team_size(nnc_team *team) noexcept nogil
cdef void barrier(nnc_team *team) noexcept nogil
cdef void shuffle(int64_t n, int64_t *index, uint64_t *state) noexcept nogil
cdef const nnc_activation_info *activation_info(int activation) noexcept nogil
cdef const nnc_loss_info *loss_info(int loss) noexcept nogil
cdef int optimizer_slots(int optimizer, const double *hyper) noexcept nogil
cdef void optimizer_rescale(int optimizer, const double *before, const double *now, double *scale) noexcept nogil
cdef void optimizer_prepare(int optimizer, const double *hyper, double *carry, double *coef) noexcept nogil
cdef int default_threads() noexcept nogil

cdef enum:
    WORTH_A_THREAD = 1500000    # multiplications per thread that certainly repay it
    PART = 1 << 28              # multiplications between two looks at signals: some 5 ms of one core
    WORTH_A_TRIAL = 200000      # below which a thread is not even tried: waking and waiting for it cost more

cdef inline int team_for(double work, double worth, int wanted) noexcept nogil:
    # threads for a call of `work` multiplications: `wanted`, or where that is 0 as many as have `worth` of them each
    cdef int most
    if wanted > 0:
        return wanted
    if work < 2 * worth:  # before anybody asks the system how many CPUs there are
        return 1
    most = default_threads()
    return most if most < work / worth else <int>(work / worth)
cdef long l2_bytes() noexcept nogil
