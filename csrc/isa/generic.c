/* generic.c: the words in plain C with vector extensions of 16 bytes, for any machine. See words.h for what each word means.
 *
 * Where the machine's baseline has no FMA (x86-64), a * b + c is rounded twice, so results differ from the other ISAs in
 * the last bits; where it has one (64-bit ARM), they are the same. */
#include "../nnc.h"

#define NNC_ISA generic
#define VBYTES 16
#define NNC_ACC 8 /* 16 registers on x86-64's baseline: 8 accumulators */

#define EACH(type, expression)                                                                                         \
    ({                                                                                                                 \
        type each = {0}; /* the loop fills it, which gcc does not see at -O1 */                                        \
        for (int i = 0; i < (int)(sizeof(each) / sizeof(each[0])); i++) each[i] = (expression);                        \
        each;                                                                                                          \
    })

typedef float nnc_generic_f32 __attribute__((vector_size(16), may_alias));
typedef double nnc_generic_f64 __attribute__((vector_size(16), may_alias));

/* q_dot: even and odd bytes are multiplied as 16 bits, in which two products fit: at most 2 * 127 * 127. */
typedef int16_t nnc_generic_i16 __attribute__((vector_size(16), may_alias));
typedef int32_t nnc_generic_i32 __attribute__((vector_size(16), may_alias));
static inline nnc_generic_i32 nnc_generic_dot(nnc_generic_i32 sum, nnc_generic_i16 x, nnc_generic_i16 w) {
    const nnc_generic_i16 pairs = (x << 8 >> 8) * (w << 8 >> 8) + (x >> 8) * (w >> 8);
    return sum + ((nnc_generic_i32)pairs << 16 >> 16) + ((nnc_generic_i32)pairs >> 16);
}

#define NNC_REAL 32
#define q_dot(sum, x, w) nnc_generic_dot(sum, (nnc_generic_i16)(x), (nnc_generic_i16)(w))
#define q_dot_up q_dot
#define q_narrow(p, i)                                                                                                 \
    do {                                                                                                               \
        for (int lane_ = 0; lane_ < 4; lane_++) (p)[lane_] = (int8_t)((i)[lane_] > 127 ? 127 : (i)[lane_]);                                       \
    } while (0)
#define vec nnc_generic_f32
#define v_set(x) __extension__({ const float set_ = (x); (vec){set_, set_, set_, set_}; })
#ifdef __FP_FAST_FMAF
#define v_fma(a, b, c) __extension__({ vec a_ = (a), b_ = (b), c_ = (c); EACH(vec, __builtin_fmaf(a_[i], b_[i], c_[i])); })
#else
#define v_fma(a, b, c) ((a) * (b) + (c))
#endif
#define v_sqrt(a) __extension__({ vec a_ = (a); EACH(vec, __builtin_sqrtf(a_[i])); })
#define v_select(m, a, b) __extension__({ vec a_ = (a), b_ = (b); ivec m_ = (m); EACH(vec, m_[i] ? a_[i] : b_[i]); })
#define v_quads(p, step) ((void)(step), v_load(p))
#include "../kernels/tiles.h"

#define NNC_REAL 64
#define vec nnc_generic_f64
#define v_set(x) __extension__({ const double set_ = (x); (vec){set_, set_}; })
#ifdef __FP_FAST_FMA
#define v_fma(a, b, c) __extension__({ vec a_ = (a), b_ = (b), c_ = (c); EACH(vec, __builtin_fma(a_[i], b_[i], c_[i])); })
#else
#define v_fma(a, b, c) ((a) * (b) + (c))
#endif
#define v_sqrt(a) __extension__({ vec a_ = (a); EACH(vec, __builtin_sqrt(a_[i])); })
#define v_select(m, a, b) __extension__({ vec a_ = (a), b_ = (b); ivec m_ = (m); EACH(vec, m_[i] ? a_[i] : b_[i]); })
#define v_quads(p, step) ((void)(step), v_load(p))
#include "../kernels/tiles.h"

NNC_TABLES(generic)
