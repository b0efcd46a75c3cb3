/* words.h: the vocabulary that every tile and every formula speaks.
 *
 * An ISA file (isa/avx2.c, ...) defines its words twice, once for float32 (NNC_REAL 32) and once for float64
 * (NNC_REAL 64), and then includes kernels/tiles.h, which includes this file first. What an ISA must define:
 *
 *     NNC_ISA            its name, as in avx2                     NNC_REAL        32 or 64
 *     VBYTES             bytes in a vector register               NNC_ACC         accumulators that a matrix tile may hold
 *     vec                the vector type (GCC/clang vector extension, so + - * / and comparisons work on it)
 *     v_set(x)           all lanes x
 *     v_fma(a, b, c)     a * b + c, rounded once
 *     v_sqrt(a)          correctly rounded square root
 *     v_max(a, b)        a > b ? a : b, so the second when either is nan
 *     v_min(a, b)        a < b ? a : b, likewise
 *     v_select(m, a, b)  lane of a where the ivec mask m is all ones, of b where it is zero
 *     v_load_n(p, n)     the first n lanes from p, the others zero; reads nothing beyond p[n-1]      0 <= n < LANES
 *     v_store_n(p, v, n) the first n lanes to p; writes nothing beyond p[n-1]                        0 <= n < LANES
 *     v_quads(p, step)   16 bytes from p, the next 16 from p + step, and so on
 *     q_dot(sum, x, w)   sum + the products of the four bytes of x's word with those of w's, as signed numbers, in each word of 32
 *                        bits. No byte is -128. This and the next two for float32 only
 *     q_dot_up(sum, x, w)  the same where no byte of x is negative
 *     q_narrow(p, i)     each lane of ivec i as a byte, held at 127 and -128, to LANES bytes at p
 * and may define
 *     NNC_DOT_FALLS_SHORT  where q_dot's sum is short of the truth by the sizes of x's negative bytes
 *     q_dot_quick, q_dot_up_quick  the same by an instruction that only some CPUs with this ISA have (nnc_quick_dot);
 *                        functions that use them are NNC_QUICK, an attribute
 *     v_list_nonzero(v, p, list)  the places p + i of the lanes i whose bits are not all zero, in order, to list (uint16_t, with room
 *                        for 8 and for LANES); returns how many they are
 *     v_count_nonzero(v) with it: how many they are, and no list
 *     NNC_NARROWER       the address of the table of an ISA with half the vectors: for narrow layers (nnc_kernels_for), and for the
 *                        last columns of others, where wide vectors are worked on in halves (matmul.h)
 *     v_root_guess(v)    1 / sqrt(v) within 2^-13 for v >= 2^-100, where v_sqrt is slower than ten multiplications (vmath.h)
 *     v_any_below(a, b)  with it: whether a < b in some lane
 *
 * Everything else is built here from those, in IEEE operations of fixed order, and is therefore the same bits on every ISA
 * that has FMA. Nothing here or above may name an ISA.
 */
#ifndef NNC_REAL
#error "words.h is included by kernels/tiles.h with NNC_REAL and the words defined"
#endif

#define NNC_PASTE_(a, b, c) nnc_##a##_##b##_f##c
#define NNC_PASTE(a, b, c) NNC_PASTE_(a, b, c)
#define FN(name) NNC_PASTE(name, NNC_ISA, NNC_REAL) /* symbol of this ISA and type: nnc_<name>_<isa>_f<32|64> */
#define INLINE static inline __attribute__((always_inline, unused))

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

#if NNC_REAL == 32
#define real float
#define ibits int32_t
#define ubits uint32_t
#define MANTISSA 23              /* stored mantissa bits */
#define EXPONENT_BIAS 127
#define REAL_MAX FLT_MAX
#define REAL_MIN_NORMAL FLT_MIN
#define ROUNDER 12582912.0f      /* 1.5 * 2^23: adding it rounds |x| < 2^22 to an integer, left in the low bits */
#else
#define real double
#define ibits int64_t
#define ubits uint64_t
#define MANTISSA 52
#define EXPONENT_BIAS 1023
#define REAL_MAX DBL_MAX
#define REAL_MIN_NORMAL DBL_MIN
#define ROUNDER 6755399441055744.0 /* 1.5 * 2^52 */
#endif
#define LANES ((int)(VBYTES / sizeof(real)))
#define REAL(x) ((real)(x))      /* a constant in this type */

typedef ibits FN(ivec) __attribute__((vector_size(VBYTES), may_alias));
typedef real FN(loose) __attribute__((vector_size(VBYTES), may_alias, aligned(sizeof(real))));
#define ivec FN(ivec)

#define v_load(p) ((vec) * (const FN(loose) *)(p))                 /* LANES from p, any alignment */
#define v_store(p, v) (*(FN(loose) *)(p) = (FN(loose))(v))         /* LANES to p, any alignment */
#define i_set(x) ((ivec)v_bits_set((ibits)(x)))                    /* all lanes the integer x */
#define v_zero() v_set(REAL(0))
#define i_of(v) ((ivec)(v))                                        /* the bits of each lane */
#define v_of(i) ((vec)(i))                                         /* and back */
#define i_mask(comparison) ((ivec)(comparison))                    /* all ones where it holds, else zero */

INLINE ivec FN(bits_set)(ibits x) {
    ivec v = {0};
    return v + x;
}
#define v_bits_set FN(bits_set)

/* |a| and -a by the sign bit */
#define I_SIGN ((ibits)((ubits)1 << (sizeof(real) * 8 - 1)))
INLINE vec FN(abs)(vec a) { return (vec)((ivec)a & ~i_set(I_SIGN)); }
INLINE vec FN(neg)(vec a) { return -a; } /* so that compilers fold it into the FMA */
#define v_abs FN(abs)
#define v_neg FN(neg)

/* a*b - c and c - a*b, rounded once */
#define v_fms(a, b, c) v_fma(a, b, v_neg(c))
#define v_fnma(a, b, c) v_fma(v_neg(a), b, c)

#ifndef v_load_n /* for an ISA without masked loads and stores */
INLINE vec FN(load_lanes)(const real *p, int n) {
    real t[LANES] = {0};
    for (int i = 0; i < n; i++) t[i] = p[i];
    return v_load(t);
}
INLINE void FN(store_lanes)(real *p, vec v, int n) {
    real t[LANES];
    v_store(t, v);
    for (int i = 0; i < n; i++) p[i] = t[i];
}
#define v_load_n(p, n) FN(load_lanes)(p, n)
#define v_store_n(p, v, n) FN(store_lanes)(p, v, n)
#endif
#ifndef v_max /* for an ISA without its own */
INLINE vec FN(larger)(vec a, vec b) { return v_select((ivec)(a > b), a, b); }
INLINE vec FN(smaller)(vec a, vec b) { return v_select((ivec)(a < b), a, b); }
#define v_max(a, b) FN(larger)(a, b)
#define v_min(a, b) FN(smaller)(a, b)
#endif

/* SPAN lanes of a contraction or a row are summed as SPAN interleaved chains, whatever the width of a register: element k
 * goes to chain k mod SPAN, and the chains are folded in halves (j += j + SPAN/2, ... , 0 += 1). */
#define SPAN 32
#define SPAN_VECS ((int)(SPAN / LANES))

/* t, each lane put together with its partner at half the width by `both`, again and again until every lane holds what all lanes
 * made: a fold in halves, in all lanes at once and without a way through memory. */
#if defined(__clang__) || __GNUC__ >= 12
#define TURN(both, t, ...) t = both(t, (__builtin_shufflevector(t, t, __VA_ARGS__)))
#else
#define TURN(both, t, ...) t = both(t, (__builtin_shuffle(t, (ivec){__VA_ARGS__})))
#endif
#if VBYTES * 8 / NNC_REAL == 16
#define ALL_TURNS(both, t)                                                                                             \
    TURN(both, t, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);                                               \
    TURN(both, t, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);                                               \
    TURN(both, t, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);                                               \
    TURN(both, t, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)
#elif VBYTES * 8 / NNC_REAL == 8
#define ALL_TURNS(both, t)                                                                                             \
    TURN(both, t, 4, 5, 6, 7, 0, 1, 2, 3);                                                                             \
    TURN(both, t, 2, 3, 0, 1, 6, 7, 4, 5);                                                                             \
    TURN(both, t, 1, 0, 3, 2, 5, 4, 7, 6)
#elif VBYTES * 8 / NNC_REAL == 4
#define ALL_TURNS(both, t)                                                                                             \
    TURN(both, t, 2, 3, 0, 1);                                                                                         \
    TURN(both, t, 1, 0, 3, 2)
#else
#define ALL_TURNS(both, t) TURN(both, t, 1, 0)
#endif

/* The sum of SPAN chains held in SPAN_VECS registers, in every lane. */
#define SUM(a, b) ((a) + (b))
INLINE vec FN(fold_vectors)(vec *s) {
    for (int half = SPAN_VECS / 2; half >= 1; half /= 2)
        for (int i = 0; i < half; i++) s[i] = s[i] + s[i + half];
    return s[0];
}
INLINE vec FN(fold_all)(vec *s) {
    vec t = FN(fold_vectors)(s);
    ALL_TURNS(SUM, t);
    return t;
}
INLINE real FN(fold)(vec *s) { return FN(fold_all)(s)[0]; } /* the same, as a number */

/* The largest lane, in every lane; of +0 and -0 either. */
INLINE vec FN(largest)(vec t) {
    ALL_TURNS(v_max, t);
    return t;
}

