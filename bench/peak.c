/* peak.c: how many multiplications and additions a core can do at most: FMA on registers alone, in as many chains as hide its
 * latency. Built at run time by bench/grid.py with the widest vectors of an ISA: -DVBYTES=64 -mavx512f, 32 -mavx2 -mfma, 16.
 * Returns floating-point operations (two per FMA and lane); the caller takes the time. */
typedef float vec __attribute__((vector_size(VBYTES)));
enum { CHAINS = VBYTES == 64 ? 24 : VBYTES == 32 ? 12 : 12, LANES = VBYTES / 4 };

__attribute__((noinline)) double nnc_peak(long rounds, float *sink) {
    vec a[CHAINS], x, y;
    for (int i = 0; i < LANES; i++) x[i] = 0.999f + sink[0], y[i] = 1e-3f + sink[0];
    for (int c = 0; c < CHAINS; c++)
        for (int i = 0; i < LANES; i++) a[c][i] = (float)c;
    for (long r = 0; r < rounds; r++)
#pragma GCC unroll 24
        for (int c = 0; c < CHAINS; c++) a[c] = a[c] * x + y; /* contracted to one FMA by -ffp-contract=fast */
    float total = 0;
    for (int c = 0; c < CHAINS; c++)
        for (int i = 0; i < LANES; i++) total += a[c][i];
    sink[0] = total == 12345.0f ? 1.0f : 0.0f;
    return (double)rounds * CHAINS * LANES * 2;
}
