/* neon.c: the words of NEON on 64-bit ARM, and with them all tiles. See words.h for what each word means. */
#include "../nnc.h"

#if NNC_ARM64
#include <arm_neon.h>

#define NNC_ISA neon
#define VBYTES 16
#define NNC_ACC 24 /* 32 registers: 6 rows x 4 columns of accumulators, 4 columns, a broadcast */

/* q_dot: two products make at most 2 * 127 * 127, which fits 16 bits. ARM 8.2 has one instruction for all four. */
static inline __attribute__((always_inline)) int32x4_t nnc_neon_dot(int32x4_t sum, int8x16_t x, int8x16_t w) {
    const int16x8_t low = vmull_s8(vget_low_s8(x), vget_low_s8(w)), high = vmull_high_s8(x, w);
    return vpadalq_s16(sum, vpaddq_s16(low, high));
}
#if defined(__clang__)
#define NNC_QUICK __attribute__((target("dotprod")))
#else
#define NNC_QUICK __attribute__((target("arch=armv8.2-a+dotprod")))
#endif

#define NNC_REAL 32
#define q_dot(sum, x, w) nnc_neon_dot((int32x4_t)(sum), (int8x16_t)(x), (int8x16_t)(w))
#define q_dot_up q_dot
#if !defined(__clang__) || __clang_major__ >= 16 || defined(__ARM_FEATURE_DOTPROD) /* else arm_neon.h hides it */
#define q_dot_quick(sum, x, w) vdotq_s32((int32x4_t)(sum), (int8x16_t)(x), (int8x16_t)(w))
#define q_dot_up_quick q_dot_quick
#endif
#define q_narrow(p, i)                                                                                                 \
    vst1_lane_s32((int32_t *)(p), vreinterpret_s32_s8(vqmovn_s16(vcombine_s16(vmovn_s32((int32x4_t)(i)), vdup_n_s16(0)))), 0)
#define vec float32x4_t
#define v_set(x) vdupq_n_f32(x)
#define v_fma(a, b, c) vfmaq_f32(c, a, b)
#define v_sqrt(a) vsqrtq_f32(a)
#define v_select(m, a, b) vbslq_f32((uint32x4_t)(m), a, b)
#define v_quads(p, step) ((void)(step), v_load(p))
#include "../kernels/tiles.h"

#define NNC_REAL 64
#define vec float64x2_t
#define v_set(x) vdupq_n_f64(x)
#define v_fma(a, b, c) vfmaq_f64(c, a, b)
#define v_sqrt(a) vsqrtq_f64(a)
#define v_select(m, a, b) vbslq_f64((uint64x2_t)(m), a, b)
#define v_quads(p, step) ((void)(step), v_load(p))
#include "../kernels/tiles.h"

NNC_TABLES(neon)
#else
NNC_NO_TABLES(neon)
#endif
