// AVX-512 (F, BW, VL, DQ). How the set is raised: isa_avx2.cpp.
#include "core/maximum.h"
#include "cpu/isa.h"

#if defined(__x86_64__)
#if defined(QACONV_SIMDE_AVX512)
#include <simde_avx512.h>  // of tests/cpp: the same names in portable operations
#else
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq")
// gcc 12 warns of the headers' own variables that are undefined on purpose (gcc bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#endif

namespace qaconv::cpu {
namespace {

struct Float16 : PackedAsIs<float> {
    using Vector = __m512;
    using Mask = __mmask16;
    using Factors = Vector;
    static constexpr int64_t kLanes = 16;
    static constexpr int64_t kRows = 12;  // of 32 registers, 24 hold sums
    static constexpr int64_t kFactors = 1;
    static Vector load(const float* p) { return _mm512_loadu_ps(p); }
    static void store(float* p, Vector v) { _mm512_storeu_ps(p, v); }
    static void store_index(int32_t* p, Vector v) {
        _mm512_storeu_si512(p, _mm512_cvttps_epi32(v));
    }
    static Vector broadcast(float x) { return _mm512_set1_ps(x); }
    static Factors load_factors(const float* p) { return broadcast(*p); }
    static Vector fma(Factors factors, int64_t, Vector b, Vector c) { return fma(factors, b, c); }
    static Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
    static Vector max(Vector a, Vector b) { return _mm512_max_ps(a, b); }
    static Mask greater(Vector a, Vector b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
    static Vector select(Mask mask, Vector yes, Vector no) {
        return _mm512_mask_blend_ps(mask, no, yes);
    }
    static float largest(Vector v) { return _mm512_reduce_max_ps(v); }
    static Vector iota(int64_t first) {
        return _mm512_add_ps(broadcast(static_cast<float>(first)),
                             _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    }
};

struct Double8 : PackedAsIs<double> {
    using Vector = __m512d;
    using Mask = __mmask8;
    using Factors = Vector;
    static constexpr int64_t kLanes = 8;
    static constexpr int64_t kRows = 12;
    static constexpr int64_t kFactors = 1;
    static Vector load(const double* p) { return _mm512_loadu_pd(p); }
    static void store(double* p, Vector v) { _mm512_storeu_pd(p, v); }
    static void store_index(int32_t* p, Vector v) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvttpd_epi32(v));
    }
    static Vector broadcast(double x) { return _mm512_set1_pd(x); }
    static Factors load_factors(const double* p) { return broadcast(*p); }
    static Vector fma(Factors factors, int64_t, Vector b, Vector c) { return fma(factors, b, c); }
    static Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_pd(a, b, c); }
    static Vector max(Vector a, Vector b) { return _mm512_max_pd(a, b); }
    static Mask greater(Vector a, Vector b) { return _mm512_cmp_pd_mask(a, b, _CMP_GT_OQ); }
    static Vector select(Mask mask, Vector yes, Vector no) {
        return _mm512_mask_blend_pd(mask, no, yes);
    }
    static double largest(Vector v) { return _mm512_reduce_max_pd(v); }
    static Vector iota(int64_t first) {
        return _mm512_add_pd(broadcast(static_cast<double>(first)),
                             _mm512_setr_pd(0, 1, 2, 3, 4, 5, 6, 7));
    }
};

#include "cpu/pair_any.inl"
#include "cpu/pair_simd.inl"
#include "cpu/table_simd.inl"

}  // namespace
}  // namespace qaconv::cpu

#if !defined(QACONV_SIMDE_AVX512)
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

constexpr qaconv::cpu::IsaTables qaconv::cpu::kAvx512Isa = {kTable<Float16>, kTable<Double8>};
#endif  // __x86_64__
