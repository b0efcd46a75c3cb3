/* maps.h: what goes over a matrix element by element or row by row: forward and backward of every activation, and
 * dropout.
 *
 * The walks are real functions that take the formula as an argument and are inlined with it; the macros at the end
 * only make one pair of each per row of NNC_ACTIVATION_LIST. Nothing to touch to add an activation. */

/* ---- forward ----------------------------------------------------------------------------------------------------- */

/* y = f(z + bias); where y is not z, z + bias is left in z. with_bias is known when this is compiled. */
INLINE void FN(walk_forward)(long rows, long cols, real *z, long z_row, const real *bias, real *y, long y_row, vec a,
                             vec (*f)(vec, vec), int with_bias) {
    const int keep = with_bias && y != z;
    if (cols == 1 && z_row == 1 && y_row == 1) {
        const vec b = with_bias ? v_set(bias[0]) : v_zero();
        for (long i = 0; i < rows; i += LANES) {
            vec x = FN(get)(z + i, rows - i);
            if (with_bias) x = x + b;
            if (keep) FN(put)(z + i, x, rows - i, 1);
            FN(put)(y + i, f(x, a), rows - i, 1);
        }
        return;
    }
    if (cols <= 4 * LANES) { /* down the columns: the formula's constants need not be loaded again for each short row */
        for (long j = 0; j < cols; j += LANES) {
            const vec b = with_bias ? v_load(bias + j) : v_zero();
            for (long i = 0; i < rows; i++) {
                vec x = v_load(z + i * z_row + j);
                if (with_bias) x = x + b;
                if (keep) v_store(z + i * z_row + j, x);
                v_store(y + i * y_row + j, f(x, a));
            }
        }
        return;
    }
    for (long i = 0; i < rows; i++, z += z_row, y += y_row)
        for (long j = 0; j < cols; j += LANES) {
            vec x = v_load(z + j);
            if (with_bias) x = x + v_load(bias + j);
            if (keep) v_store(z + j, x);
            v_store(y + j, f(x, a));
        }
}

#define FORWARD_ARGUMENTS                                                                                              \
    long rows, long cols, void *z, long z_row, const void *bias, void *y, long y_row, double parameter
#define FORWARD_ELEMENTWISE(name, ...)                                                                                 \
    static void FN(forward_##name)(FORWARD_ARGUMENTS) {                                                                \
        const vec a = v_set((real)parameter);                                                                          \
        if (bias) FN(walk_forward)(rows, cols, z, z_row, bias, y, y_row, a, FN(name##_value), 1);                      \
        else FN(walk_forward)(rows, cols, z, z_row, bias, y, y_row, a, FN(name##_value), 0);                           \
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
