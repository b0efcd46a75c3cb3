/* row_int8.h: layers whose weights are int8 (plan.h), multiplied as whole numbers.
 *
 * a) A sample's inputs to a layer become whole numbers too, of a unit of their own: unit = max |x| / 127, q = x / unit
 *    rounded to the nearest, ties to even. Then output j = (sum of q * weight[.][j]) * (unit * scale[j]).
 * b) The sum is exact in 32 bits for up to NNC_INT8_INPUTS inputs, in any order; the rest is a few IEEE operations in
 *    fixed order, with no FMA. So all instruction sets give the same bits, generic code included, and leaving blocks of
 *    zeros out changes none.
 * c) Weights lie in words of 32 bits: four inputs of one output. One word of four q's, in all lanes, meets a vector of
 *    such words; q_dot, the ISA's word, adds up the four products.
 * d) A nan among the inputs makes the unit nan, and with it every output. An infinite one counts as the largest, the
 *    finite ones beside it as nothing. Inputs that are all below INT8_TINY count as zeros, so that 127 / max is finite.
 */

#define INT8_TINY 0x1p-119f
#define INT8_ROWS 3                                   /* samples that share a load of weights */
#define INT8_COLUMNS (NNC_ACC / INT8_ROWS < 4 ? NNC_ACC / INT8_ROWS : 4)  /* and vectors of outputs that they then take */

typedef int32_t FN(words) __attribute__((vector_size(VBYTES), may_alias, aligned(1)));
typedef ivec (*FN(dot_function))(ivec sum, ivec x, ivec w);

/* ---- inputs ----------------------------------------------------------------------------------------------------- */

INLINE ivec FN(larger_bits)(ivec a, ivec b) {
    const ivec m = (ivec)(a > b);
    return (a & m) | (b & ~m);
}

/* What turns the sums of a sample into numbers: its unit, and what is to be added before (NNC_DOT_FALLS_SHORT). */
typedef struct {
    float unit;
    int32_t missing; /* the sum of |q| where q is negative, or 0 where nothing is */
} FN(int8_sample);

/* x (k) holds a nan or something infinite. */
static __attribute__((noinline)) FN(int8_sample) FN(int8_infinite)(long k, const float *x, int8_t *q, int nan) {
    FN(int8_sample) sample = {nan ? __builtin_nanf("") : __builtin_inff(), 0};
    for (long p = 0; p < k; p++) {
        q[p] = x[p] > FLT_MAX ? 127 : x[p] < -FLT_MAX ? -127 : 0;
#ifdef NNC_DOT_FALLS_SHORT
        sample.missing -= q[p] < 0 ? q[p] : 0;
#endif
    }
    return sample;
}

/* q (k, then zeros up to whole vectors) = x (k) in units. up: no x is negative. The bits of |x| are in
 * the order of the numbers, with inf and nan above them. */
INLINE FN(int8_sample) FN(int8_inputs)(long k, const float *x, int8_t *q, int *up) {
    const ivec size = i_set(0x7FFFFFFF);
    ivec most = i_set(0), odd = i_set(0), signs = i_set(0); /* two maxima, that one need not wait for the other */
    long p = 0;
    for (; p + 2 * LANES <= k; p += 2 * LANES) {
        const ivec a = (ivec)v_load(x + p), b = (ivec)v_load(x + p + LANES);
        most = FN(larger_bits)(a & size, most);
        odd = FN(larger_bits)(b & size, odd);
        signs |= a | b;
    }
    for (; p < k; p += LANES) {
        const ivec a = (ivec)FN(get)(x + p, k - p);
        most = FN(larger_bits)(a & size, most);
        signs |= a;
    }
    most = FN(larger_bits)(most, odd);
    *up = !FN(any)(signs & i_set(I_SIGN));
    int32_t bits = 0;
    for (int i = 0; i < LANES; i++) bits = most[i] > bits ? most[i] : bits;
    if (bits >= 0x7F800000) {
        for (p = k; p < k + LANES - 1; p++) q[p] = 0;
        return FN(int8_infinite)(k, x, q, bits > 0x7F800000);
    }
    float largest;
    __builtin_memcpy(&largest, &bits, 4);
    const int tiny = largest < INT8_TINY;
    const vec factor = v_set(tiny ? 0 : 127 / largest);
    ivec negative = i_set(0);
    for (p = 0; p < k; p += LANES) {
        const vec scaled = FN(get)(x + p, k - p) * factor; /* 127 and a rounding error at most: q_narrow stops at 127 */
        const ivec whole = (ivec)(scaled + v_set(ROUNDER)) - (ivec)v_set(ROUNDER);
        q_narrow(q + p, whole);
#ifdef NNC_DOT_FALLS_SHORT
        negative += whole & (ivec)(whole < i_set(0));
#endif
    }
    FN(int8_sample) sample = {tiny ? 0 : largest / 127, 0};
    for (int i = 0; i < LANES; i++) sample.missing -= negative[i];
    return sample;
}

/* ---- the tile --------------------------------------------------------------------------------------------------- */

/* sums (R, V vectors) = q (R, steps words) W (steps, V vectors of words), or += with add. list: the steps to take, where
 * `listed`. W's rows are w_row bytes apart. */
#define INT8_ARGUMENTS                                                                                                 \
    long steps, const int8_t *q, long q_row, const char *w, long w_row, float *sums, long sums_row, int add,           \
        const uint16_t *list
typedef void (*FN(int8_function))(INT8_ARGUMENTS);

INLINE void FN(int8_tile)(const int R, const int V, const int listed, FN(dot_function) dot, INT8_ARGUMENTS) {
    ivec acc[INT8_ROWS][NNC_ROW_VECS];
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int v = 0; v < V; v++)
            acc[r][v] = add ? *(const FN(words) *)(sums + r * sums_row + v * LANES) : i_set(0);
    for (long i = 0; i < steps; i++) {
        const long p = listed ? list[i] : i;
        ivec x[INT8_ROWS];
        UNROLL for (int r = 0; r < R; r++) {
            int32_t four;
            __builtin_memcpy(&four, q + r * q_row + 4 * p, 4);
            x[r] = i_set(four);
        }
        const char *ahead = listed ? w + list[i + NNC_ROWS_AHEAD] * w_row : w + p * w_row + NNC_AHEAD;
        UNROLL for (int b = 0; b < V * VBYTES; b += 64) __builtin_prefetch(ahead + b);
        UNROLL for (int v = 0; v < V; v++) {
            const ivec four = *(const FN(words) *)(w + p * w_row + v * VBYTES);
            UNROLL for (int r = 0; r < R; r++) acc[r][v] = dot(acc[r][v], x[r], four);
        }
    }
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int v = 0; v < V; v++) *(FN(words) *)(sums + r * sums_row + v * LANES) = acc[r][v];
}

typedef struct {
    FN(int8_function) one[2][2][NNC_ROW_VECS]; /* [up][listed][V - 1] */
    FN(int8_function) rows[2][4];              /* [up][V - 1], INT8_ROWS of them */
} FN(int8_tiles);

/* ---- a layer ---------------------------------------------------------------------------------------------------- */

/* sums (1, outputs) = q W, in steps that are listed, or `count` from `first` on */
INLINE void FN(int8_one)(const nnc_stage *s, long first, long count, const int8_t *q, const char *w, float *sums,
                         const uint16_t *list, FN(int8_function) const tiles[2][NNC_ROW_VECS]) {
    w += first * s->row;
    q += 4 * first;
    for (int g = 0; g < s->groups; g++, w += s->group, sums += s->vecs * LANES) {
        const int vecs = g < s->groups - 1 ? s->vecs : s->last_vecs;
        tiles[list != NULL][vecs - 1](count, q, 0, w, s->row, sums, 0, first > 0, list);
    }
}

/* The same, blocks of four zeros left out. Apart, so that layers that do not ask for it do not pay for its list. */
static __attribute__((noinline)) void FN(int8_sparse)(const nnc_stage *s, const int8_t *q, const char *w, float *sums,
                                                      FN(int8_function) const tiles[2][NNC_ROW_VECS]) {
    uint16_t list[NNC_LISTED + LANES];
    const long quads = (s->inputs + 3) / 4;
    for (long p = 0; p < quads; p += NNC_LISTED) {
        const long steps = quads - p < NNC_LISTED ? quads - p : NNC_LISTED;
        const long count = FN(row_nonzero)(steps, 1, (const float *)(q + 4 * p), list);
        const int some = count * 8 < steps * 7;
        FN(int8_one)(s, p, some ? count : steps, q, w, sums, some ? list : NULL, tiles);
    }
}

/* sums (rows, outputs) = q (rows) W: a group of outputs stays in cache while all rows go by */
INLINE void FN(int8_many)(const nnc_stage *s, long rows, const int8_t *q, long q_row, const char *w, float *sums,
                          long sums_row, int up, const FN(int8_tiles) *tiles) {
    const long quads = (s->inputs + 3) / 4;
    for (int g = 0; g < s->groups; g++, w += s->group, sums += s->vecs * LANES) {
        const int vecs = g < s->groups - 1 ? s->vecs : s->last_vecs;
        for (int v = 0; v < vecs; v += INT8_COLUMNS) {
            const int wide = vecs - v < INT8_COLUMNS ? vecs - v : INT8_COLUMNS;
            const FN(int8_function) tile = tiles->rows[up][wide - 1], one = tiles->one[up][0][wide - 1];
            float *to = sums + v * LANES;
            long i = 0;
            for (; i + INT8_ROWS <= rows; i += INT8_ROWS)
                tile(quads, q + i * q_row, q_row, w + v * VBYTES, s->row, to + i * sums_row, sums_row, 0, NULL);
            for (; i < rows; i++) one(quads, q + i * q_row, 0, w + v * VBYTES, s->row, to + i * sums_row, 0, 0, NULL);
        }
    }
}

/* nnc_kernels.int8 */
INLINE void FN(int8_layer)(const nnc_stage *s, const char *base, long rows, const float *x, long x_row, float *z,
                           long z_row, char *scratch, const FN(int8_tiles) *tiles) {
    const long q_row = nnc_round_up(s->inputs, NNC_ALIGN);
    const char *w = base + s->weight;
    const float *scale = (const float *)(base + s->scale);
    FN(int8_sample) *sample = (FN(int8_sample) *)scratch;
    int8_t *q = (int8_t *)scratch + nnc_round_up(rows * 8, NNC_ALIGN);
    int up = 1;
    for (long i = 0; i < rows; i++) {
        int row_up;
        sample[i] = FN(int8_inputs)(s->inputs, x + i * x_row, q + i * q_row, &row_up);
        up &= row_up;
    }
    if (rows > 1) FN(int8_many)(s, rows, q, q_row, w, z, z_row, up, tiles);
    else if (s->scan) FN(int8_sparse)(s, q, w, z, tiles->one[up]);
    else FN(int8_one)(s, 0, (s->inputs + 3) / 4, q, w, z, NULL, tiles->one[up]);
    for (long i = 0; i < rows; i++, z += z_row) {
        const ivec missing = i_set(sample[i].missing);
        const vec unit = v_set(sample[i].unit);
        for (long j = 0; j < s->outputs; j += LANES) {
            const ivec whole = (ivec)*(const FN(words) *)(z + j) + missing;
            const vec sum = (vec)__builtin_convertvector(whole, FN(loose));
            /* a factor that overflows must not turn a sum of 0 into nan; a nan it must leave */
            v_store(z + j, sum * v_min(v_set(REAL_MAX), unit * v_load(scale + j)));
        }
    }
}

/* All of the above with one way to take the dot product, FN(dot_<name>) and FN(dot_up_<name>), for nnc_kernels.int8:
 * FN(int8_layer_<name>). target: an attribute, or nothing. */
#define INT8_TILE(V, listed, name, target)                                                                             \
    static target void FN(int8_##name##_##V##_##listed)(INT8_ARGUMENTS) {                                              \
        FN(int8_tile)(1, V, listed, FN(dot_##name), steps, q, q_row, w, w_row, sums, sums_row, add, list);             \
    }
#define INT8_TILE_ROWS(V, name, target)                                                                                \
    static target void FN(int8_##name##_rows_##V)(INT8_ARGUMENTS) {                                                    \
        FN(int8_tile)(INT8_ROWS, V, 0, FN(dot_##name), steps, q, q_row, w, w_row, sums, sums_row, add, list);          \
    }
#define INT8_FEW(X, ...) X(1, __VA_ARGS__) X(2, __VA_ARGS__) X(3, __VA_ARGS__) X(4, __VA_ARGS__)
#define INT8_EACH(X, ...)                                                                                              \
    INT8_FEW(X, __VA_ARGS__) X(5, __VA_ARGS__) X(6, __VA_ARGS__) X(7, __VA_ARGS__) X(8, __VA_ARGS__)
#define INT8_ALL(name, target)                                                                                         \
    INT8_EACH(INT8_TILE, 0, name, target)                                                                              \
    INT8_EACH(INT8_TILE, 1, name, target)                                                                              \
    INT8_FEW(INT8_TILE_ROWS, name, target)
#define INT8_NAME(V, listed, name) FN(int8_##name##_##V##_##listed),
#define INT8_NAME_ROWS(V, name) FN(int8_##name##_rows_##V),
#define INT8_NAMES(name) {{INT8_EACH(INT8_NAME, 0, name)}, {INT8_EACH(INT8_NAME, 1, name)}}
#define INT8_LAYER(name, target)                                                                                       \
    INT8_ALL(name, target)                                                                                             \
    INT8_ALL(up_##name, target)                                                                                        \
    static const FN(int8_tiles) FN(int8_tiles_##name) = {                                                              \
        {INT8_NAMES(name), INT8_NAMES(up_##name)},                                                                     \
        {{INT8_FEW(INT8_NAME_ROWS, name)}, {INT8_FEW(INT8_NAME_ROWS, up_##name)}}};                                    \
    static void FN(int8_layer_##name)(const void *stage, const void *base, long rows, const void *x, long x_row,       \
                                      void *z, long z_row, void *scratch) {                                            \
        FN(int8_layer)(stage, base, rows, x, x_row, z, z_row, scratch, &FN(int8_tiles_##name));                        \
    }

INLINE ivec FN(dot_plain)(ivec sum, ivec x, ivec w) { return (ivec)q_dot(sum, x, w); }
INLINE ivec FN(dot_up_plain)(ivec sum, ivec x, ivec w) { return (ivec)q_dot_up(sum, x, w); }
INT8_LAYER(plain, )
#ifdef q_dot_quick
INLINE NNC_QUICK ivec FN(dot_quick)(ivec sum, ivec x, ivec w) { return (ivec)q_dot_quick(sum, x, w); }
INLINE NNC_QUICK ivec FN(dot_up_quick)(ivec sum, ivec x, ivec w) { return (ivec)q_dot_up_quick(sum, x, w); }
INT8_LAYER(quick, NNC_QUICK)
#define INT8_QUICK FN(int8_layer_quick)
#else
#define INT8_QUICK 0
#endif
