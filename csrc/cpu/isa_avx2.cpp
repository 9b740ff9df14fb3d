// AVX2 + FMA. The instruction set is raised inside this file and not by a compiler flag (torch's
// build has no flags per file, and a flag would let the compiler use the set anywhere in it). All
// includes come before the region; inside are no templates of the standard library, which could be
// merged by the linker with another file's copy and then crash on an older processor.
#include "core/maximum.h"
#include "cpu/isa.h"

#if defined(__x86_64__)
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

namespace qaconv::cpu {
namespace {

struct Float8 : PackedAsIs<float> {
    using Vector = __m256;
    using Mask = __m256;
    using Factors = Vector;
    static constexpr int64_t kLanes = 8;
    static constexpr int64_t kRows = 6;  // of 16 registers, 12 hold sums
    static constexpr int64_t kFactors = 1;
    static Vector load(const float* p) { return _mm256_loadu_ps(p); }
    static void store(float* p, Vector v) { _mm256_storeu_ps(p, v); }
    static void store_index(int32_t* p, Vector v) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_cvttps_epi32(v));
    }
    static Vector broadcast(float x) { return _mm256_set1_ps(x); }
    static Factors load_factors(const float* p) { return _mm256_broadcast_ss(p); }
    static Vector fma(Factors factors, int64_t, Vector b, Vector c) { return fma(factors, b, c); }
    static Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
    static Vector max(Vector a, Vector b) { return _mm256_max_ps(a, b); }
    static Mask greater(Vector a, Vector b) { return _mm256_cmp_ps(a, b, _CMP_GT_OQ); }
    static Vector select(Mask mask, Vector yes, Vector no) {
        return _mm256_blendv_ps(no, yes, mask);
    }
    static float largest(Vector v) {
        __m128 x = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
        x = _mm_max_ps(x, _mm_movehl_ps(x, x));
        return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
    }
    static Vector iota(int64_t first) {
        return _mm256_add_ps(broadcast(static_cast<float>(first)),
                             _mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7));
    }
};

struct Double4 : PackedAsIs<double> {
    using Vector = __m256d;
    using Mask = __m256d;
    using Factors = Vector;
    static constexpr int64_t kLanes = 4;
    static constexpr int64_t kRows = 6;
    static constexpr int64_t kFactors = 1;
    static Vector load(const double* p) { return _mm256_loadu_pd(p); }
    static void store(double* p, Vector v) { _mm256_storeu_pd(p, v); }
    static void store_index(int32_t* p, Vector v) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvttpd_epi32(v));
    }
    static Vector broadcast(double x) { return _mm256_set1_pd(x); }
    static Factors load_factors(const double* p) { return _mm256_broadcast_sd(p); }
    static Vector fma(Factors factors, int64_t, Vector b, Vector c) { return fma(factors, b, c); }
    static Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_pd(a, b, c); }
    static Vector max(Vector a, Vector b) { return _mm256_max_pd(a, b); }
    static Mask greater(Vector a, Vector b) { return _mm256_cmp_pd(a, b, _CMP_GT_OQ); }
    static Vector select(Mask mask, Vector yes, Vector no) {
        return _mm256_blendv_pd(no, yes, mask);
    }
    static double largest(Vector v) {
        const __m128d x = _mm_max_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
        return _mm_cvtsd_f64(_mm_max_sd(x, _mm_unpackhi_pd(x, x)));
    }
    static Vector iota(int64_t first) {
        return _mm256_add_pd(broadcast(static_cast<double>(first)), _mm256_setr_pd(0, 1, 2, 3));
    }
};

#include "cpu/pair_any.inl"
#include "cpu/pair_simd.inl"
#include "cpu/table_simd.inl"

}  // namespace
}  // namespace qaconv::cpu

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

constexpr qaconv::cpu::IsaTables qaconv::cpu::kAvx2Isa = {kTable<Float8>, kTable<Double4>};
#endif  // __x86_64__
