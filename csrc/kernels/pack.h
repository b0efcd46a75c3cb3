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

/* Transposing works in squares of 16-byte vectors on every ISA: wider ones shuffle more per element, not less. */
typedef real FN(quad) __attribute__((vector_size(16), may_alias, aligned(sizeof(real))));
#define QUAD ((int)(16 / sizeof(real)))
#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef ibits FN(quad_lanes) __attribute__((vector_size(16)));
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (FN(quad_lanes)){__VA_ARGS__})
#endif

/* dst (QUAD,QUAD) = the transpose of src (QUAD,QUAD). */
INLINE void FN(transpose_square)(const real *src, long src_row, real *dst, long dst_row) {
    typedef FN(quad) quad;
#define ROW(i) (*(const quad *)(src + (i) * src_row))
#define COLUMN(i) (*(quad *)(dst + (i) * dst_row))
#if NNC_REAL == 32
    const quad a = ROW(0), b = ROW(1), c = ROW(2), d = ROW(3);
    const quad ab = SHUFFLE(a, b, 0, 4, 1, 5), AB = SHUFFLE(a, b, 2, 6, 3, 7);
    const quad cd = SHUFFLE(c, d, 0, 4, 1, 5), CD = SHUFFLE(c, d, 2, 6, 3, 7);
    COLUMN(0) = SHUFFLE(ab, cd, 0, 1, 4, 5);
    COLUMN(1) = SHUFFLE(ab, cd, 2, 3, 6, 7);
    COLUMN(2) = SHUFFLE(AB, CD, 0, 1, 4, 5);
    COLUMN(3) = SHUFFLE(AB, CD, 2, 3, 6, 7);
#else
    const quad a = ROW(0), b = ROW(1);
    COLUMN(0) = SHUFFLE(a, b, 0, 2);
    COLUMN(1) = SHUFFLE(a, b, 1, 3);
#endif
#undef ROW
#undef COLUMN
}

static void FN(pack_t)(long k, long n, const void *src_, long src_row, void *dst_) {
    real *panel = dst_;
    for (long j = 0; j < n; j += NR, panel += k * NR) {
        const real *src = (const real *)src_ + j * src_row;
        const long columns = n - j < NR ? n - j : NR;
        long c = 0;
        for (; c + QUAD <= columns; c += QUAD) {
            long p = 0;
            for (; p + QUAD <= k; p += QUAD) FN(transpose_square)(src + c * src_row + p, src_row, panel + p * NR + c, NR);
            for (; p < k; p++)
                for (int q = 0; q < QUAD; q++) panel[p * NR + c + q] = src[(c + q) * src_row + p];
        }
        for (; c < columns; c++)
            for (long p = 0; p < k; p++) panel[p * NR + c] = src[c * src_row + p];
    }
}
