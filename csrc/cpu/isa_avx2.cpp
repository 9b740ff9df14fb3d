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

struct Float8 {
    using Element = float;
    using Vector = __m256;
    static constexpr int64_t kLanes = 8;
    static Vector load(const float* p) { return _mm256_loadu_ps(p); }
    static void store(float* p, Vector v) { _mm256_storeu_ps(p, v); }
    static void store_index(int32_t* p, Vector v) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_cvttps_epi32(v));
    }
    static Vector broadcast(float x) { return _mm256_set1_ps(x); }
    static Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
    static Vector max(Vector a, Vector b) { return _mm256_max_ps(a, b); }
    static Vector greater(Vector a, Vector b) { return _mm256_cmp_ps(a, b, _CMP_GT_OQ); }
    static Vector select(Vector mask, Vector yes, Vector no) {
        return _mm256_blendv_ps(no, yes, mask);
    }
    static Vector iota(int64_t first) {
        return _mm256_add_ps(broadcast(static_cast<float>(first)),
                             _mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7));
    }
};

struct Double4 {
    using Element = double;
    using Vector = __m256d;
    static constexpr int64_t kLanes = 4;
    static Vector load(const double* p) { return _mm256_loadu_pd(p); }
    static void store(double* p, Vector v) { _mm256_storeu_pd(p, v); }
    static void store_index(int32_t* p, Vector v) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvttpd_epi32(v));
    }
    static Vector broadcast(double x) { return _mm256_set1_pd(x); }
    static Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_pd(a, b, c); }
    static Vector max(Vector a, Vector b) { return _mm256_max_pd(a, b); }
    static Vector greater(Vector a, Vector b) { return _mm256_cmp_pd(a, b, _CMP_GT_OQ); }
    static Vector select(Vector mask, Vector yes, Vector no) {
        return _mm256_blendv_pd(no, yes, mask);
    }
    static Vector iota(int64_t first) {
        return _mm256_add_pd(broadcast(static_cast<double>(first)), _mm256_setr_pd(0, 1, 2, 3));
    }
};

#include "cpu/pair_any.inl"
#include "cpu/pair_simd.inl"

}  // namespace

template <>
const Isa<float>& avx2_isa<float>() {
    return kTable<Float8>;
}
template <>
const Isa<double>& avx2_isa<double>() {
    return kTable<Double4>;
}

}  // namespace qaconv::cpu

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif  // __x86_64__
