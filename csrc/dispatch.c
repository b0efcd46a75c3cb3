/* dispatch.c: which instruction set answers. Decided once; a name can force one. To add one: a row in ISA_LIST. */
#include "nnc.h"
#include <stdatomic.h>
#include <string.h>

#if NNC_X86
#define HAS_AVX2 (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("popcnt"))
#define HAS_AVX512                                                                                                     \
    (HAS_AVX2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&                           \
     __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"))
#define HAS_DOT __builtin_cpu_supports("avx512vnni")
#else
#define HAS_AVX2 0
#define HAS_AVX512 0
#endif
#if NNC_ARM64 && defined(__linux__)
#include <sys/auxv.h>
#define HAS_DOT (getauxval(AT_HWCAP) >> 20 & 1) /* HWCAP_ASIMDDP */
#elif NNC_ARM64 && defined(__APPLE__)
#define HAS_DOT 1 /* every Mac with ARM has it */
#elif !NNC_X86
#define HAS_DOT 0
#endif

/* name, does this CPU have it; best first */
#define ISA_LIST(X) X(avx512, HAS_AVX512) X(avx2, HAS_AVX2) X(neon, 1) X(generic, 1)

#define ROW_DECLARE(name, has) extern const nnc_kernels *const nnc_tables_##name[NNC_DTYPES];
ISA_LIST(ROW_DECLARE)
#define ROW_NAME(name, has) #name,
const char *const nnc_isa_names[NNC_ISAS] = {ISA_LIST(ROW_NAME)};
#define ROW_TABLE(name, has) nnc_tables_##name,
static const nnc_kernels *const *const tables[NNC_ISAS] = {ISA_LIST(ROW_TABLE)};

static atomic_int selected = -1; /* read by any thread at any time */

int nnc_isa_available(int isa) {
    if (isa < 0 || isa >= NNC_ISAS || tables[isa][0] == NULL) return 0;
#if NNC_X86
    __builtin_cpu_init();
#endif
#define ROW_HAS(name, has) (has) != 0,
    const int has[NNC_ISAS] = {ISA_LIST(ROW_HAS)};
    return has[isa];
}

int nnc_quick_dot(void) {
#if NNC_X86
    __builtin_cpu_init();
#endif
    return HAS_DOT != 0;
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
