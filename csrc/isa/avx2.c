/* avx2.c: the words of AVX2 + FMA (x86-64-v3), and with them all tiles. See words.h for what each word means. */
#include "../nnc.h"

#if NNC_X86
#include <immintrin.h>
NNC_TARGET_BEGIN("avx2,fma")

#define NNC_ISA avx2
#define VBYTES 32
#define NNC_ACC 12 /* 16 registers: 12 accumulators, 2 columns, 1 broadcast, 1 spare */

/* Lane masks of the first n lanes: read 8 (4) words starting 8-n (4-n) in. */
static const int32_t nnc_avx2_mask32[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
static const int64_t nnc_avx2_mask64[8] = {-1, -1, -1, -1, 0, 0, 0, 0};
#define MASK32(n) _mm256_loadu_si256((const __m256i *)(nnc_avx2_mask32 + 8 - (n)))
#define MASK64(n) _mm256_loadu_si256((const __m256i *)(nnc_avx2_mask64 + 4 - (n)))

#define NNC_REAL 32
#define vec __m256
#define v_set(x) _mm256_set1_ps(x)
#define v_fma(a, b, c) _mm256_fmadd_ps(a, b, c)
#define v_sqrt(a) _mm256_sqrt_ps(a)
#define v_max(a, b) _mm256_max_ps(a, b)
#define v_min(a, b) _mm256_min_ps(a, b)
#define v_select(m, a, b) _mm256_blendv_ps(b, a, (__m256)(m))
#define v_load_n(p, n) _mm256_maskload_ps(p, MASK32(n))
#define v_store_n(p, v, n) _mm256_maskstore_ps(p, MASK32(n), v)
#include "../kernels/tiles.h"

#define NNC_REAL 64
#define vec __m256d
#define v_set(x) _mm256_set1_pd(x)
#define v_fma(a, b, c) _mm256_fmadd_pd(a, b, c)
#define v_sqrt(a) _mm256_sqrt_pd(a)
#define v_max(a, b) _mm256_max_pd(a, b)
#define v_min(a, b) _mm256_min_pd(a, b)
#define v_select(m, a, b) _mm256_blendv_pd(b, a, (__m256d)(m))
#define v_load_n(p, n) _mm256_maskload_pd(p, MASK64(n))
#define v_store_n(p, v, n) _mm256_maskstore_pd(p, MASK64(n), v)
#include "../kernels/tiles.h"

NNC_TARGET_END
NNC_TABLES(avx2)
#else
NNC_NO_TABLES(avx2)
#endif
