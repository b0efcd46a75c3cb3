/* dispatch.c: which instruction set answers. Decided once; a name can force one. To add one: a row in ISA_LIST,
 * and one more in NNC_ISAS. */
#include "nnc.h"
#include <stdatomic.h>
#include <string.h>

#if NNC_X86
#define HAS_AVX2 (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("popcnt"))
#define HAS_AVX512                                                                                                     \
    (HAS_AVX2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&                           \
     __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"))
#define HAS_AVX512_DOT __builtin_cpu_supports("avx512vnni")
#else
#define HAS_AVX2 0
#define HAS_AVX512 0
#define HAS_AVX512_DOT 0
#endif
#ifndef HAS_AVX2_DOT
#if NNC_X86 && NNC_KNOWS_AVX_VNNI
#include <cpuid.h>
static int has_avx_vnni(void) { /* a name that not every __builtin_cpu_supports knows */
    unsigned a, b, c, d;
    return HAS_AVX2 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}
#define HAS_AVX2_DOT has_avx_vnni()
#else
#define HAS_AVX2_DOT 0
#endif
#endif
#if NNC_ARM64 && defined(__linux__)
#include <sys/auxv.h>
#define HAS_NEON_DOT (getauxval(AT_HWCAP) >> 20 & 1) /* HWCAP_ASIMDDP */
#elif NNC_ARM64 && defined(__APPLE__)
#define HAS_NEON_DOT 1 /* every Mac with ARM has it */
#else
#define HAS_NEON_DOT 0
#endif

/* name, does this CPU have it, and what the quick way to a dot product takes; best first */
#define ISA_LIST(X)                                                                                                    \
    X(avx512, HAS_AVX512, HAS_AVX512_DOT) X(avx2, HAS_AVX2, HAS_AVX2_DOT) X(neon, 1, HAS_NEON_DOT) X(generic, 1, 0)

#define ROW_DECLARE(name, ...) extern const nnc_kernels *const nnc_tables_##name[NNC_DTYPES];
ISA_LIST(ROW_DECLARE)
#define ROW_NAME(name, ...) #name,
const char *const nnc_isa_names[NNC_ISAS] = {ISA_LIST(ROW_NAME)};
#define ROW_ONE(...) +1
_Static_assert(ISA_LIST(ROW_ONE) == NNC_ISAS, "NNC_ISAS in nnc.h counts the rows of ISA_LIST");
#define ROW_TABLE(name, ...) nnc_tables_##name,
static const nnc_kernels *const *const tables[NNC_ISAS] = {ISA_LIST(ROW_TABLE)};

static atomic_int selected = -1; /* read by any thread at any time */

int nnc_isa_available(int isa) {
    if (isa < 0 || isa >= NNC_ISAS || tables[isa][0] == NULL) return 0;
#if NNC_X86
    __builtin_cpu_init();
#endif
#define ROW_HAS(name, has, dot) (has) != 0,
    const int has[NNC_ISAS] = {ISA_LIST(ROW_HAS)};
    return has[isa];
}

int nnc_quick_dot(const nnc_kernels *k) {
#if NNC_X86
    __builtin_cpu_init();
#endif
#define ROW_DOT(name, has, dot)                                                                                        \
    if (strcmp(k->isa, #name) == 0) return k->int8[1] != NULL && (dot) != 0;
    ISA_LIST(ROW_DOT)
    return 0;
}

enum nnc_status nnc_select(const char *name) {
    for (int isa = 0; isa < NNC_ISAS; isa++) {
        if (name != NULL && name[0] != '\0' && strcmp(name, nnc_isa_names[isa]) != 0) continue;
        if (nnc_isa_available(isa)) {
            atomic_store(&selected, isa);
            return NNC_OK;
        }
        if (name != NULL && name[0] != '\0') return NNC_UNSUPPORTED_ISA;
    }
    return NNC_UNKNOWN_ISA;
}

const nnc_kernels *nnc_kernels_of(int isa, enum nnc_dtype dtype) { return nnc_isa_available(isa) ? tables[isa][dtype] : NULL; }

const nnc_kernels *nnc_kernels_get(enum nnc_dtype dtype) {
    if (atomic_load_explicit(&selected, memory_order_relaxed) < 0) nnc_select(NULL);
    return tables[atomic_load_explicit(&selected, memory_order_relaxed)][dtype];
}
