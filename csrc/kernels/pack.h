/* pack.h: copies into the panels that the matrix tile walks without a stride: nr columns wide, whole vectors.
 *
 * What stands in a panel beyond column n is garbage: it only ever reaches lanes that are thrown away. */

/* Panels are filled GROUP at a time, row by row: one row of one panel is only a line or two of a source row, and walking down a
 * column of lines with a large stride costs a page and a wait at every step. */
enum { FN(GROUP) = 256 / (NR * sizeof(real)) > 1 ? 256 / (NR * sizeof(real)) : 1 };

static void FN(pack)(long k, long n, const void *src_, long src_row, void *dst_) {
    const real *src = src_;
    real *dst = dst_;
    long j = 0;
    for (; j + FN(GROUP) * NR <= n; j += FN(GROUP) * NR, dst += FN(GROUP) * k * NR)
        for (long p = 0; p < k; p++)
            for (int q = 0; q < FN(GROUP); q++)
                for (int v = 0; v < NR_VECS; v++)
                    v_store(dst + (q * k + p) * NR + v * LANES, v_load(src + p * src_row + j + q * NR + v * LANES));
    for (; j < n; j += NR, dst += k * NR) {
        const long vecs = n - j < NR ? (n - j + LANES - 1) / LANES : NR_VECS;
        for (long p = 0; p < k; p++)
            for (int v = 0; v < vecs; v++) v_store(dst + p * NR + v * LANES, v_load(src + p * src_row + j + v * LANES));
    }
}

/* dst (rows, cols) = src, in whole vectors, rows ascending. */
static void FN(copy)(long rows, long cols, const void *src_, long src_row, void *dst_, long dst_row) {
    const real *src = src_;
    real *dst = dst_;
    for (long i = 0; i < rows; i++, src += src_row, dst += dst_row)
        for (long j = 0; j < cols; j += LANES) v_store(dst + j, v_load(src + j));
}

/* Transposing works in squares of 16 bytes, as many side by side as a vector holds: shuffles within 16 bytes are cheap on every
 * ISA, and reading puts the squares together. */
#define QUAD ((int)(16 / sizeof(real)))
#define PICK(q, e) ((e) < QUAD ? (q) * QUAD + (e) : LANES + (q) * QUAD + (e) - QUAD) /* e: of a's quad, then of b's */
#if NNC_REAL == 32
#define PICKS(q, a, b, c, d) PICK(q, a), PICK(q, b), PICK(q, c), PICK(q, d)
#else
#define PICKS(q, a, b) PICK(q, a), PICK(q, b)
#endif
#if VBYTES == 64
#define ALL_PICKS(...) PICKS(0, __VA_ARGS__), PICKS(1, __VA_ARGS__), PICKS(2, __VA_ARGS__), PICKS(3, __VA_ARGS__)
#elif VBYTES == 32
#define ALL_PICKS(...) PICKS(0, __VA_ARGS__), PICKS(1, __VA_ARGS__)
#else
#define ALL_PICKS(...) PICKS(0, __VA_ARGS__)
#endif
#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE(a, b, ...) (vec) __builtin_shufflevector(a, b, ALL_PICKS(__VA_ARGS__))
#else
#define SHUFFLE(a, b, ...) (vec) __builtin_shuffle(a, b, (ivec){ALL_PICKS(__VA_ARGS__)})
#endif

/* row[QUAD] = the columns of src (LANES, QUAD), or of src (QUAD, QUAD) in the first QUAD lanes alone unless whole. */
INLINE void FN(transpose)(const int whole, const real *src, long src_row, vec *row) {
    const long next = whole ? QUAD * src_row : 0;
#if NNC_REAL == 32
    const vec a = v_quads(src, next), b = v_quads(src + src_row, next);
    const vec c = v_quads(src + 2 * src_row, next), d = v_quads(src + 3 * src_row, next);
    const vec ab = SHUFFLE(a, b, 0, 4, 1, 5), AB = SHUFFLE(a, b, 2, 6, 3, 7);
    const vec cd = SHUFFLE(c, d, 0, 4, 1, 5), CD = SHUFFLE(c, d, 2, 6, 3, 7);
    row[0] = SHUFFLE(ab, cd, 0, 1, 4, 5);
    row[1] = SHUFFLE(ab, cd, 2, 3, 6, 7);
    row[2] = SHUFFLE(AB, CD, 0, 1, 4, 5);
    row[3] = SHUFFLE(AB, CD, 2, 3, 6, 7);
#else
    const vec a = v_quads(src, next), b = v_quads(src + src_row, next);
    row[0] = SHUFFLE(a, b, 0, 2);
    row[1] = SHUFFLE(a, b, 1, 3);
#endif
}

/* LANES columns of a panel, or QUAD unless whole, from as many rows of src (., k). */
INLINE void FN(pack_t_columns)(const int whole, long k, const real *src, long src_row, real *panel) {
    const int columns = whole ? LANES : QUAD;
    long p = 0;
    for (; p + QUAD <= k; p += QUAD) {
        vec row[QUAD];
        FN(transpose)(whole, src + p, src_row, row);
        for (int i = 0; i < QUAD; i++) {
            if (whole) v_store(panel + (p + i) * NR, row[i]);
            else __builtin_memcpy(panel + (p + i) * NR, &row[i], 16);
        }
    }
    for (; p < k; p++)
        for (int q = 0; q < columns; q++) panel[p * NR + q] = src[q * src_row + p];
}

/* nnc_kernels.turn */
static void FN(turn)(long rows, long cols, const void *src_, long src_row, void *dst_, long dst_row) {
    const real *src = src_;
    real *dst = dst_;
    long i = 0;
    for (; i + LANES <= rows; i += LANES, src += LANES * src_row) {
        long j = 0;
        for (; j + QUAD <= cols; j += QUAD) {
            vec row[QUAD];
            FN(transpose)(1, src + j, src_row, row);
            for (int q = 0; q < QUAD; q++) v_store(dst + (j + q) * dst_row + i, row[q]);
        }
        for (; j < cols; j++)
            for (int q = 0; q < LANES; q++) dst[j * dst_row + i + q] = src[q * src_row + j];
    }
    for (; i < rows; i++, src += src_row)
        for (long j = 0; j < cols; j++) dst[j * dst_row + i] = src[j];
}

static void FN(pack_t)(long k, long n, const void *src_, long src_row, void *dst_) {
    real *panel = dst_;
    for (long j = 0; j < n; j += NR, panel += k * NR) {
        const real *src = (const real *)src_ + j * src_row;
        const long columns = n - j < NR ? n - j : NR;
        long c = 0;
        for (; c + LANES <= columns; c += LANES) FN(pack_t_columns)(1, k, src + c * src_row, src_row, panel + c);
        for (; c + QUAD <= columns; c += QUAD) FN(pack_t_columns)(0, k, src + c * src_row, src_row, panel + c);
        for (; c < columns; c++)
            for (long p = 0; p < k; p++) panel[p * NR + c] = src[c * src_row + p];
    }
}
