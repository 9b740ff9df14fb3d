// AVX-512 in portable operations, for a machine that has none (QACONV_SIMDE_AVX512). It proves the
// variant of isa_avx512.cpp: which operation is done on which numbers. It proves nothing about the
// machine code that the compiler makes of the same variant for AVX-512.
#pragma once

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#define __mmask8 simde__mmask8
#define __mmask16 simde__mmask16

// What SIMDe 0.7.4 lacks.
inline simde__m512i qaconv_cvttps_epi32(simde__m512 v) {
    float from[16];
    int32_t to[16];
    simde_mm512_storeu_ps(from, v);
    for (int k = 0; k < 16; ++k) to[k] = static_cast<int32_t>(from[k]);
    return simde_mm512_loadu_si512(to);
}
inline simde__m256i qaconv_cvttpd_epi32(simde__m512d v) {
    double from[8];
    int32_t to[8];
    simde_mm512_storeu_pd(from, v);
    for (int k = 0; k < 8; ++k) to[k] = static_cast<int32_t>(from[k]);
    return simde_mm256_loadu_si256(to);
}
inline float qaconv_reduce_max_ps(simde__m512 v) {
    float from[16];
    simde_mm512_storeu_ps(from, v);
    float largest = from[0];
    for (float x : from) largest = x > largest ? x : largest;
    return largest;
}
inline double qaconv_reduce_max_pd(simde__m512d v) {
    double from[8];
    simde_mm512_storeu_pd(from, v);
    double largest = from[0];
    for (double x : from) largest = x > largest ? x : largest;
    return largest;
}
#define _mm512_cvttps_epi32 qaconv_cvttps_epi32
#define _mm512_cvttpd_epi32 qaconv_cvttpd_epi32
#define _mm512_reduce_max_ps qaconv_reduce_max_ps
#define _mm512_reduce_max_pd qaconv_reduce_max_pd
