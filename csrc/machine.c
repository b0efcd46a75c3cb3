/* machine.c: what this machine is like, where the best way of doing a thing depends on it. None of it changes a result. */
#if defined(__linux__)
#define _GNU_SOURCE /* _SC_LEVEL2_CACHE_SIZE */
#include <unistd.h>
#endif
#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif
#include "nnc.h"
#include <stdatomic.h>

enum { LEAST_L2 = 512 << 10, MOST_L2 = 4 << 20 }; /* bytes: believed where nothing is known; and no more, where cores share it */

long nnc_l2_bytes(void) {
    static atomic_long known;
    long bytes = atomic_load_explicit(&known, memory_order_relaxed);
    if (bytes > 0) return bytes;
#if defined(_SC_LEVEL2_CACHE_SIZE)
    bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
#elif defined(__APPLE__)
    int64_t said = 0;
    size_t size = sizeof said;
    if (sysctlbyname("hw.l2cachesize", &said, &size, NULL, 0) == 0 && size == sizeof said) bytes = (long)said;
#endif
    bytes = bytes < LEAST_L2 ? LEAST_L2 : bytes > MOST_L2 ? MOST_L2 : bytes;
    atomic_store_explicit(&known, bytes, memory_order_relaxed);
    return bytes;
}

#ifndef NNC_IN_HALVES /* a test may say it */
#if NNC_X86
#include <cpuid.h>
static int is_amd_19h(void) { /* Zen 3 and Zen 4; without AVX-512 Zen 3 never asks */
    unsigned a, b, c, d;
    if (!__get_cpuid(0, &a, &b, &c, &d) || b != 0x68747541 /* "Auth" of AuthenticAMD */ || !__get_cpuid(1, &a, &b, &c, &d)) return 0;
    return (a >> 8 & 15) + (a >> 20 & 255) == 0x19;
}
#define NNC_IN_HALVES is_amd_19h() /* Zen 5 and Intel's servers have units as wide as their vectors */
#else
#define NNC_IN_HALVES 0
#endif
#endif

int nnc_wide_in_halves(void) {
    static atomic_int known = -1;
    int halves = atomic_load_explicit(&known, memory_order_relaxed);
    if (halves < 0) atomic_store_explicit(&known, halves = NNC_IN_HALVES, memory_order_relaxed);
    return halves;
}
