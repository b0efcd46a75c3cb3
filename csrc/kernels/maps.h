/* maps.h: what goes over a matrix element by element or row by row: forward and backward of every activation, and
 * dropout.
 *
 * The walks are real functions that take the formula as an argument and are inlined with it; the macros at the end
 * only make one pair of each per row of NNC_ACTIVATION_LIST. Nothing to touch to add an activation. */

/* ---- forward ----------------------------------------------------------------------------------------------------- */

/* y = f(z + bias) along a row of `vecs` vectors; keep: z + bias is left in z. Four at a time: a formula is one long
 * chain of waiting, and the CPU sees only so far ahead. */
INLINE void FN(map_row)(long vecs, real *z, const real *bias, long bias_step, real *y, vec a, vec (*f)(vec, vec), int keep) {
    for (; vecs >= 4; vecs -= 4, z += 4 * LANES, y += 4 * LANES, bias += 4 * bias_step) {
        vec x[4];
        UNROLL for (int v = 0; v < 4; v++) x[v] = v_load(z + v * LANES) + v_load(bias + v * bias_step);
        if (keep) UNROLL for (int v = 0; v < 4; v++) v_store(z + v * LANES, x[v]);
        UNROLL for (int v = 0; v < 4; v++) x[v] = f(x[v], a);
        UNROLL for (int v = 0; v < 4; v++) v_store(y + v * LANES, x[v]);
    }
    for (; vecs > 0; vecs--, z += LANES, y += LANES, bias += bias_step) {
        const vec x = v_load(z) + v_load(bias);
        if (keep) v_store(z, x);
        v_store(y, f(x, a));
    }
}

/* y = f(z + bias); where y is not z, z + bias is left in z. */
INLINE void FN(walk_forward)(long rows, long cols, real *z, long z_row, const real *bias, real *y, long y_row, vec a,
                             vec (*f)(vec, vec)) {
    static const real none[LANES] = {[0 ... LANES - 1] = REAL(-0.0)}; /* x + -0 is x, in every bit */
    const int keep = bias && y != z;
    const long step = bias ? LANES : 0;
    if (!bias) bias = none;
    if (cols == 1 && z_row == 1 && y_row == 1) {
        const vec b = v_set(bias[0]);
        for (long i = 0; i < rows; i += LANES) {
            const vec x = FN(get)(z + i, rows - i) + b;
            if (keep) FN(put)(z + i, x, rows - i, 1);
            FN(put)(y + i, f(x, a), rows - i, 1);
        }
    } else if (cols < 4 * LANES) { /* down the columns: rows this short would load the formula's constants anew */
        for (long j = 0; j < cols; j += LANES, bias += step) {
            const vec b = v_load(bias);
            for (long i = 0; i < rows; i++) {
                const vec x = v_load(z + i * z_row + j) + b;
                if (keep) v_store(z + i * z_row + j, x);
                v_store(y + i * y_row + j, f(x, a));
            }
        }
    } else {
        for (long i = 0; i < rows; i++)
            FN(map_row)((cols + LANES - 1) / LANES, z + i * z_row, bias, step, y + i * y_row, a, f, keep);
    }
}

#define FORWARD_ARGUMENTS                                                                                              \
    long rows, long cols, void *z, long z_row, const void *bias, void *y, long y_row, double parameter
#define FORWARD_ELEMENTWISE(name, ...)                                                                                 \
    static void FN(forward_##name)(FORWARD_ARGUMENTS) {                                                                \
        FN(walk_forward)(rows, cols, z, z_row, bias, y, y_row, v_set((real)parameter), FN(name##_value));              \
    }
#define FORWARD_ROWWISE(name, ...)                                                                                     \
    static void FN(forward_##name)(FORWARD_ARGUMENTS) {                                                                \
        const int exact = cols == 1 && z_row == 1 && y_row == 1;                                                       \
        (void)parameter;                                                                                               \
        for (long i = 0; i < rows; i++)                                                                                \
            FN(name##_row)(cols, (real *)z + i * z_row, bias, (real *)y + i * y_row, exact);                           \
    }
NNC_ACTIVATION_LIST(FORWARD_ELEMENTWISE, FORWARD_ROWWISE)

/* ---- backward ---------------------------------------------------------------------------------------------------- */

/* dy = dy * slope(saved) */
INLINE void FN(walk_backward)(long rows, long cols, real *dy, long dy_row, const real *saved, long saved_row, vec a,
                              vec (*slope)(vec, vec)) {
    if (cols == 1 && dy_row == 1 && saved_row == 1) {
        for (long i = 0; i < rows; i += LANES)
            FN(put)(dy + i, FN(get)(dy + i, rows - i) * slope(FN(get)(saved + i, rows - i), a), rows - i, 1);
        return;
    }
    for (long i = 0; i < rows; i++, dy += dy_row, saved += saved_row)
        for (long j = 0; j < cols; j += LANES) v_store(dy + j, v_load(dy + j) * slope(v_load(saved + j), a));
}

#define BACKWARD_ARGUMENTS                                                                                             \
    long rows, long cols, void *dy, long dy_row, const void *saved, long saved_row, double parameter
#define BACKWARD_ELEMENTWISE(name, ...)                                                                                \
    static void FN(backward_##name)(BACKWARD_ARGUMENTS) {                                                              \
        FN(walk_backward)(rows, cols, dy, dy_row, saved, saved_row, v_set((real)parameter), FN(name##_slope));         \
    }
#define BACKWARD_ROWWISE(name, ...)                                                                                    \
    static void FN(backward_##name)(BACKWARD_ARGUMENTS) {                                                              \
        const int exact = cols == 1 && dy_row == 1 && saved_row == 1;                                                  \
        (void)parameter;                                                                                               \
        for (long i = 0; i < rows; i++)                                                                                \
            FN(name##_row_backward)(cols, (real *)dy + i * dy_row, (const real *)saved + i * saved_row, exact);        \
    }
NNC_ACTIVATION_LIST(BACKWARD_ELEMENTWISE, BACKWARD_ROWWISE)

/* ---- dropout ----------------------------------------------------------------------------------------------------- */

/* One hash of (key, row, j / 2) serves two elements, 32 bits each. A dropped nan stays a nan. */
static void FN(dropout)(long rows, long cols, const void *x_, long x_row, void *y_, long y_row, double rate,
                        uint64_t key, long row0) {
    const uint64_t threshold = (uint64_t)(rate * 4294967296.0);
    const real kept = (real)(1 / (1 - rate));
    for (long i = 0; i < rows; i++) {
        const real *x = (const real *)x_ + i * x_row;
        real *y = (real *)y_ + i * y_row;
        const uint64_t row_key = nnc_mix(key ^ nnc_mix((uint64_t)(row0 + i)));
        for (long j = 0; j < cols; j += 2) {
            const uint64_t bits = nnc_mix(row_key + (uint64_t)j);
            y[j] = x[j] * ((bits & 0xFFFFFFFFu) < threshold ? REAL(0) : kept);
            if (j + 1 < cols) y[j + 1] = x[j + 1] * (bits >> 32 < threshold ? REAL(0) : kept);
        }
    }
}
