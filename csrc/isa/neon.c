/* neon.c: the words of NEON on 64-bit ARM, and with them all tiles. See words.h for what each word means. */
#include "../nnc.h"

#if NNC_ARM64
#include <arm_neon.h>

#define NNC_ISA neon
#define VBYTES 16
#define NNC_ACC 24 /* 32 registers: 6 rows x 4 columns of accumulators, 4 columns, a broadcast */

#define NNC_REAL 32
#define vec float32x4_t
#define v_set(x) vdupq_n_f32(x)
#define v_fma(a, b, c) vfmaq_f32(c, a, b)
#define v_sqrt(a) vsqrtq_f32(a)
#define v_max(a, b) vbslq_f32(vcgtq_f32(a, b), a, b) /* not vmaxq: its nan differs */
#define v_min(a, b) vbslq_f32(vcltq_f32(a, b), a, b)
#define v_select(m, a, b) vbslq_f32((uint32x4_t)(m), a, b)
#define v_load_n(p, n) FN(load_lanes)(p, n)
#define v_store_n(p, v, n) FN(store_lanes)(p, v, n)
#define NNC_LANES_BY_LOOP
#include "../kernels/tiles.h"

#define NNC_REAL 64
#define vec float64x2_t
#define v_set(x) vdupq_n_f64(x)
#define v_fma(a, b, c) vfmaq_f64(c, a, b)
#define v_sqrt(a) vsqrtq_f64(a)
#define v_max(a, b) vbslq_f64(vcgtq_f64(a, b), a, b)
#define v_min(a, b) vbslq_f64(vcltq_f64(a, b), a, b)
#define v_select(m, a, b) vbslq_f64((uint64x2_t)(m), a, b)
#define v_load_n(p, n) FN(load_lanes)(p, n)
#define v_store_n(p, v, n) FN(store_lanes)(p, v, n)
#include "../kernels/tiles.h"

NNC_TABLES(neon)
#else
NNC_NO_TABLES(neon)
#endif
